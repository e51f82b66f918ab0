"""What signs, one file per place where a key can lie; each is a ``Signer``."""
