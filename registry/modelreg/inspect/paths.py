"""Inspects an artifact on disk: a file, or a folder of regular files."""

from __future__ import annotations

import os
from pathlib import Path

from modelreg.artifact import open_artifact
from modelreg.facts import Facts
from modelreg.inspect.sandbox import Inspector


def inspect_path(path: Path, *, values: bool = False) -> Facts:
    """The facts of a file or folder; with ``values`` also the digests of its tensors, for which their data are read.

    Raises ``NotFoundError`` if nothing is there, ``UsageError`` for what is no artifact (symbolic links, special files,
    what cannot be read), ``InspectionError`` if no child process can be started.
    """
    with Inspector(expect_hdf5=os.path.isfile(path)) as inspector, open_artifact(path) as files:
        return inspector.inspect([(file.path, file.descriptor) for file in files], values=values)
