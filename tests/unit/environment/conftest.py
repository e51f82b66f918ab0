"""What every test of the environment needs: settings of Keras that are not those of whoever runs the tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_keras_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point Keras's folder at an empty one and unset its variables, for this process and its children."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras-home"))
    for variable in ("KERAS_BACKEND", "TF_USE_LEGACY_KERAS"):
        monkeypatch.delenv(variable, raising=False)
