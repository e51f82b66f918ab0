"""What each release of Keras since 2.2.0 finds under which name, and which arguments that takes: data, with a reader.

``release_of`` picks the release that stands for a target's version; ``Release.legacy`` and ``Release.imported`` look a
name up as that release's legacy and v3 deserialisers do.  The facts were read from the released sources by
``tools/keras_tables.py`` (``make keras-tables``) and compared with real Kerases by ``tools/check_keras_tables.py``.
"""

from __future__ import annotations

from modelreg.rules.keras_tables.history import argument_history, history, releases_with
from modelreg.rules.keras_tables.release import Entry, Release, release_of, releases

__all__ = ["Entry", "Release", "argument_history", "history", "release_of", "releases", "releases_with"]
