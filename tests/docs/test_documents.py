"""What the documents tell people to type works, in the order in which it stands there.

A ``console`` block holds lines ``$ command``, with ``# exit status N`` behind one that ends otherwise than with 0; a
``python`` block is run as it is.  Each document runs in a folder of its own that holds the examples.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "docs/tutorial.md")
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STATUS = re.compile(r"#\s*exit status (\d+)\s*$")


def _workplace(folder: Path) -> dict[str, str]:
    shutil.copytree(ROOT / "examples", folder / "examples")
    scripts = str(Path(sys.executable).parent)
    return dict(os.environ) | {"MODELREG_HOME": str(folder / "home"), "PATH": f"{scripts}:{os.environ['PATH']}"}


def _run(command: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_of_a_document_ends_as_it_says(document: str, tmp_path: Path) -> None:
    """Claim: a reader who types the document's commands sees the exit statuses that it promises."""
    environment = _workplace(tmp_path)
    commands = 0
    for language, text in BLOCK.findall((ROOT / document).read_text(encoding="utf-8")):
        if language == "python":
            result = subprocess.run(
                [sys.executable, "-c", text], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert result.returncode == 0, result.stderr
            continue
        for line in text.splitlines():
            assert line.startswith("$ "), f"{document}: {line!r} is no command"
            promised = STATUS.search(line)
            result = _run(line[2:], tmp_path, environment)
            assert result.returncode == int(promised[1] if promised else 0), f"{line}\n{result.stdout}{result.stderr}"
            assert "Traceback" not in result.stderr
            commands += 1
    assert commands, f"{document} shows no command"


@pytest.mark.parametrize("document", [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("docs/**/*.md"))])
def test_links_between_documents_lead_somewhere(document: str) -> None:
    """Claim: every relative link of a document names a file of the project."""
    place = ROOT / document
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", place.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (place.parent / target).exists(), f"{document} links to {target}"
