"""Makes the second truth and scores the rules on it: environments, models, recorded loads, all under one folder.

Run ``make truth`` or ``python tools/truth/truth.py --into FOLDER [--made PERCENT] [--loaded PERCENT] [NAME...]``; see
``tools/truth/README.md``.  Every step leaves alone what an earlier run has done.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from environments import ENVIRONMENTS, Environment, install

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parent


def run(environment: Environment, folder: Path, script: str, arguments: Sequence[object]) -> None:
    """Run a script of this folder with the Python of an environment."""
    variables = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    if environment.legacy:
        variables["TF_USE_LEGACY_KERAS"] = "1"
    python = folder / "environments" / environment.name / "bin" / "python"
    command = ["nice", "-n", "10", python, HERE / script, *arguments]
    subprocess.run([str(each) for each in command], check=False, env=variables)


def make(environment: Environment, folder: Path, percent: int) -> None:
    models = folder / "models" / environment.name
    if not (models / "env.json").exists():
        run(environment, folder, "make_models.py", [models, percent])


def record(environment: Environment, folder: Path, percent: int) -> None:
    (folder / "loads").mkdir(exist_ok=True)
    packages = folder / "environments" / environment.name / "packages.txt"
    loads = folder / "loads" / f"{environment.name}.json"
    run(environment, folder, "record.py", [environment.name, packages, folder / "models", loads, "--share", percent])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--made", type=int, default=15, help="share of the kinds that each writer makes, in percent")
    parser.add_argument("--loaded", type=int, default=20, help="share of the files that each reader loads, in percent")
    parser.add_argument("names", nargs="*", help="environments, if not all")
    options = parser.parse_args()
    chosen = [each for each in ENVIRONMENTS if not options.names or each.name in options.names]
    for environment in chosen:
        install(environment, options.into / "environments")
        make(environment, options.into, options.made)
    for environment in chosen:
        record(environment, options.into, options.loaded)
    return subprocess.run([sys.executable, TOOLS / "oracle.py", "--oracle", options.into], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
