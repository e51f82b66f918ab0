"""One file per command: each turns arguments into a call of ``modelreg`` and the answer into a ``Result``."""
