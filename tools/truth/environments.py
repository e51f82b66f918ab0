"""The environments of the second truth: which Pythons, TensorFlows and Kerases there are, and how each is installed.

Run ``python tools/truth/environments.py --into FOLDER [NAME...]``; an environment that is there already is left alone.
Pythons are looked for under ``~/.pyenv/versions`` and on the path.  An environment with a ``base`` is a hard-linked
copy of that one with other packages installed over it, so that a tenth Keras costs megabytes, not gigabytes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Environment:
    """One virtual environment."""

    name: str
    python: str
    packages: tuple[str, ...]
    base: str = ""
    legacy: bool = False
    """Whether ``TF_USE_LEGACY_KERAS`` is set there."""


ENVIRONMENTS = (
    Environment("py39tf210", "3.9", ("tensorflow-cpu==2.10.1", "numpy<1.24")),
    Environment(
        "py37tf115", "3.7", ("tensorflow-cpu==1.15.0", "keras==2.3.1", "h5py<3", "protobuf<3.21", "numpy<1.19")
    ),
    Environment("tfkeras", "3.13", ("tensorflow-cpu==2.21.0", "keras==3.15.1", "tf-keras==2.21.0"), legacy=True),
    Environment("py312tf216k33", "3.12", ("tensorflow-cpu==2.16.2", "keras==3.3.3")),
    Environment("py310tf212", "3.10", ("tensorflow-cpu==2.12.1",)),
    Environment("py38tf24", "3.8", ("tensorflow-cpu==2.4.4", "protobuf<3.21", "h5py<3")),
    Environment("py311tf215", "3.11", ("tensorflow-cpu==2.15.1",)),
    Environment("py312tf218k38", "3.12", ("tensorflow-cpu==2.18.1", "keras==3.8.0")),
    Environment("py311tf221k315", "3.11", ("tensorflow-cpu==2.21.0", "keras==3.15.1")),
    Environment("py37tf211", "3.7", ("tensorflow-cpu==2.11.0",)),
    Environment("py36tf26", "3.6", ("tensorflow-cpu==2.6.2", "protobuf<3.20")),
    Environment("py311tf218k310", "3.11", ("tensorflow-cpu==2.18.1", "keras==3.10.0")),
    Environment("py311tf218k36", "3.11", ("keras==3.6.0",), base="py311tf218k310"),
    Environment("py311tf218k312", "3.11", ("keras==3.12.0",), base="py311tf218k310"),
    Environment("py311tf218k313", "3.11", ("keras==3.13.2",), base="py311tf218k310"),
    Environment("py312tf216k30", "3.12", ("keras==3.0.5",), base="py312tf216k33"),
    Environment("py312tf216legacy", "3.12", ("tf-keras==2.16.0",), base="py312tf216k33", legacy=True),
    Environment("py311tf221k314", "3.11", ("keras==3.14.0",), base="py311tf221k315"),
    Environment("py310tf29", "3.10", ("tensorflow-cpu==2.9.3", "numpy<1.24", "protobuf<3.20")),
    Environment("py38tf213", "3.8", ("tensorflow-cpu==2.13.1",)),
    Environment("py310tf215", "3.10", ("tensorflow-cpu==2.15.1",)),
    Environment("py313tf220", "3.13", ("tensorflow-cpu==2.20.0", "keras==3.15.1")),
    Environment("py39tf25", "3.9", ("tensorflow-cpu==2.5.3", "protobuf<3.20")),
    Environment("py36tf112", "3.6", ("tensorflow==1.12.0", "keras==2.2.4", "h5py<3", "protobuf<3.20", "numpy<1.17")),
    Environment("py37tf23", "3.7", ("tensorflow-cpu==2.3.4", "protobuf<3.20")),
    Environment("py39tf219k39", "3.9", ("tensorflow-cpu==2.19.1", "keras==3.9.2")),
)


def interpreter(version: str) -> Path:
    """The Python of that minor version which is installed here."""
    found = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    on_path = shutil.which(f"python{version}")
    if not found and on_path is None:
        raise SystemExit(f"no Python {version} here")
    return found[-1] if found else Path(str(on_path))


def install(environment: Environment, folder: Path) -> None:
    """Make one environment; it is complete when its file of packages is there."""
    place = folder / environment.name
    pins = place / "packages.txt"
    if pins.exists():
        return
    shutil.rmtree(place, ignore_errors=True)
    if environment.base:
        shutil.copytree(folder / environment.base, place, symlinks=True, copy_function=os.link)
        pins.unlink()
    else:
        subprocess.run([interpreter(environment.python), "-m", "venv", place], check=True)
    pip: list[str | Path] = [place / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    quiet = [*pip, "install", "--quiet", "--no-compile", "--prefer-binary"]
    if not environment.base:
        newest = ("pip==21.3.1", "wheel==0.37.1") if environment.python == "3.6" else ("pip", "wheel")
        subprocess.run([*quiet, "--upgrade", *newest], check=True)
    subprocess.run([*quiet, *environment.packages], check=True)
    frozen = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True)
    pins.write_text(frozen.stdout, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    failed = []
    for environment in ENVIRONMENTS:
        if options.names and environment.name not in options.names:
            continue
        try:
            install(environment, options.into)
        except (subprocess.CalledProcessError, OSError) as error:
            failed.append(environment.name)
            print(f"{environment.name}: {error}", file=sys.stderr)
        else:
            print(environment.name, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
