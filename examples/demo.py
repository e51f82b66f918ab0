"""The main job, shown on real Keras files: push, list, pull --verify, and three pulls that are refused.

usage: demo.py MODELREG

Runs the given ``modelreg`` against a registry in a temporary folder, prints each command with its output and what it
means, and exits 1 if one of them does not end as it should.  Nothing is left behind.  Standard library only.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent
BOLD, DIM, RESET = (
    ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("",) * 3
)


class Demo:
    """One run: a registry of its own, and the list of what happened."""

    def __init__(self, modelreg: str, folder: Path) -> None:
        self.modelreg = str(Path(modelreg).resolve())
        self.folder = folder
        self.outcomes: list[tuple[str, int, int]] = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MODELREG_")}
        self.environment = {**kept, "MODELREG_HOME": str(folder / "registry"), "MODELREG_KEYS": str(folder / "keys")}

    def run(self, title: str, meaning: str, expected: int, *arguments: str, **settings: str) -> None:
        """Run one command, show it, and note whether its exit status is the expected one."""
        print(f"\n{BOLD}{title}{RESET}\n{meaning}")
        shown = " ".join(f"{name}={value} " for name, value in settings.items())
        print(f"{DIM}$ {shown}modelreg {shlex.join(arguments)}{RESET}", flush=True)
        result = subprocess.run(
            [self.modelreg, *arguments],
            env=self.environment | settings,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            check=False,
        )
        verdict = "as it should" if result.returncode == expected else f"EXPECTED {expected}"
        print(f"{DIM}exit status {result.returncode}, {verdict}{RESET}")
        self.outcomes.append((title, expected, result.returncode))

    def require(self, what: str, *, holds: bool) -> None:
        """Show that something holds beside the exit status."""
        print(f"{'ok' if holds else 'NOT SO'}: {what}")
        if not holds:
            self.outcomes.append((what, 0, 1))


def flip_byte(store: Path, original: bytes, offset: int) -> Path:
    """Flip one byte of the stored copy of ``original``, as a failing disk would."""
    (blob,) = (path for path in store.rglob("*") if path.is_file() and path.read_bytes() == original)
    data = bytearray(original)
    data[offset] ^= 0x01
    blob.chmod(0o644)
    blob.write_bytes(data)
    return blob


def main(modelreg: str) -> int:
    """Run the whole demonstration; returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="modelreg-demo-") as name:
        folder = Path(name)
        demo = Demo(modelreg, folder)
        shutil.copytree(EXAMPLES, folder / "examples")
        digits = EXAMPLES / "digits.h5"
        demo.run(
            "1. Push a trained model",
            "digits.h5 is a real Keras model (see examples/README.md). It is read once: hashed, inspected in a child\n"
            "process, stored under its SHA-256, and described by one immutable manifest.",
            0,
            *("push", "examples/digits.h5", "--name", "digits", "--alias", "production"),
        )
        demo.run("2. List what is there", "One row a version.", 0, "list")
        demo.run(
            "3. Pull it, verified",
            "The verdict stands before a byte is fetched; each chunk is checked as it arrives; then it appears.",
            0,
            *("pull", "digits@production", "-o", "model", "--verify"),
        )
        pulled = folder / "model" / "digits.h5"
        same = pulled.is_file() and pulled.read_bytes() == digits.read_bytes()
        demo.require("model/digits.h5 is byte for byte what was pushed", holds=same)

        offset = digits.stat().st_size // 2
        flip_byte(folder / "registry", digits.read_bytes(), offset)
        demo.run(
            "4. Corruption: one bit flipped in the store",
            f"The stored copy now differs in the byte at offset {offset:,}. HDF5 has no checksums: Keras would load\n"
            "this file without a word and predict other numbers.",
            8,
            *("pull", "digits@production", "-o", "corrupt", "--verify"),
        )
        demo.require("the destination was not touched", holds=not (folder / "corrupt").exists())

        demo.run(
            "5a. A model whose Lambda layer was saved by Python 3.8",
            "Pushing it says what is in it.",
            0,
            *("push", "examples/lambda_py38.h5", "--name", "legacy"),
        )
        demo.run(
            "5b. Pull it for Python 3.11",
            "Keras would say 'bad marshal data (unknown type code)'. The registry says which layer, and why.",
            64,
            *("pull", "legacy", "-o", "legacy", "--target", "examples/python311.txt"),
        )
        demo.require("the destination was not touched", holds=not (folder / "legacy").exists())

        demo.run(
            "6a. Push the trained model again",
            "A damaged blob is healed by pushing its bytes again. This time without a signature.",
            0,
            *("push", "examples/digits.h5", "--name", "digits", "--alias", "production", "--no-sign"),
        )
        demo.run(
            "6b. Pull it where the policy demands a signature",
            "Nobody has signed this version.",
            16,
            *("pull", "digits@production", "-o", "unsigned", "--verify"),
            MODELREG_REQUIRE_SIGNATURE="true",
        )
        demo.require("the destination was not touched", holds=not (folder / "unsigned").exists())
        return summarise(demo)


def summarise(demo: Demo) -> int:
    """Print the table of outcomes; 1 if one of them is not what was promised."""
    print(f"\n{BOLD}What happened{RESET}")
    for title, expected, actual in demo.outcomes:
        print(f"  {'ok  ' if expected == actual else 'FAIL'}  exit {actual:<3} {title}")
    failed = [title for title, expected, actual in demo.outcomes if expected != actual]
    print("every outcome is as promised" if not failed else f"{len(failed)} outcomes are not as promised")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
