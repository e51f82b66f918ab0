"""The table in README.md: every known trick with a sign in the file has a case here, and the table says so truly.

``python tests/attacks/test_readme.py`` writes the table anew.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
README = FOLDER / "README.md"
BEGIN, FINISH = "<!-- cases -->\n", "<!-- end of cases -->"

ADVISORIES = [
    *("CVE-2021-37678", "CVE-2024-3660", "CVE-2024-55459", "CVE-2025-1550", "CVE-2025-8747", "CVE-2025-9906"),
    *("CVE-2025-9905", "CVE-2025-49655", "CVE-2025-12058", "CVE-2025-12060", "CVE-2025-12638", "CVE-2026-0897"),
    *("CVE-2026-1669", "CVE-2026-1462", "CVE-2026-12479", "CVE-2026-12481", "GHSA-hqp4-2352-xf5r"),
    *("registered_name on a built-in", "npz objects", "npz bomb", "zip bomb", "HDF5 link of a group"),
]
"""What was published about loading Keras files up to 2026-11, and the fixes of Keras 3.15 that have no number."""
WITHOUT_A_SIGN = ["CVE-2021-41228"]
"""Explained in the README: nothing in a file shows them."""


def cases() -> dict[str, tuple[str, str]]:
    """Name to module and rule, of every module's ``ATTACKS``."""
    found = {}
    for path in sorted(FOLDER.glob("test_*.py")):
        if path == Path(__file__):
            continue
        spec = importlib.util.spec_from_file_location(f"attacks_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name, case in module.ATTACKS.items():
            assert name not in found, f"two cases are called {name}"
            found[name] = (path.stem.removeprefix("test_"), next(each for each in case if str(each).startswith("MR")))
    return found


def table() -> str:
    rows = [f"| {name} | {module} | {rule} |" for name, (module, rule) in sorted(cases().items())]
    return "\n".join(["| attack | in `test_….py` | refused by |", "|---|---|---|", *rows]) + "\n"


def test_the_table_is_that_of_the_cases() -> None:
    """Generated, so that it cannot rot."""
    text = README.read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(FINISH)[0] == table()


def test_every_advisory_has_a_case_or_a_reason() -> None:
    """Those without a sign in the file are explained."""
    text = README.read_text(encoding="utf-8")
    known = cases()
    assert [name for name in ADVISORIES if name not in known] == []
    assert [name for name in WITHOUT_A_SIGN if name not in text or name in known] == []


if __name__ == "__main__":
    whole = README.read_text(encoding="utf-8")
    before, _, rest = whole.partition(BEGIN)
    README.write_text(before + BEGIN + table() + FINISH + rest.partition(FINISH)[2], encoding="utf-8")
