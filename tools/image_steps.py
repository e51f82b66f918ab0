"""Perform the steps of a Dockerfile without an engine: ``python tools/image_steps.py docker/Dockerfile FOLDER``.

What a stage copies is copied (``.dockerignore`` decides what there is), what it runs in exec form is run, with every
path of the image below ``FOLDER/root`` and this machine's Python for the base image's.  Shell-form steps set up the
base image's users and are not performed; ``FOLDER/stages.json`` tells each stage's environment, user, entry point and
skipped steps.
"""

from __future__ import annotations

import fnmatch
import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

_ARGUMENTS = 2


@dataclass
class Stage:
    """A stage as its instructions made it."""

    name: str
    base: str
    workdir: str = "/"
    user: str = "root"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


class Context:
    """The files that ``.dockerignore`` lets into a build."""

    def __init__(self, root: Path) -> None:
        lines = (root / ".dockerignore").read_text().splitlines()
        self._root = root
        self._patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]

    def copy(self, source: str, target: Path) -> None:
        """Copy a file or a folder; raises ``FileNotFoundError`` where nothing of that name is let in."""
        origin, copied = self._root / source, 0
        for path in sorted(origin.rglob("*")) if origin.is_dir() else [origin]:
            if path.is_file() and self._is_let_in(path.relative_to(self._root).as_posix()):
                place = target / path.relative_to(origin) if origin.is_dir() else target
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, place)
                copied += 1
        if not copied:
            raise FileNotFoundError(f"COPY {source}: .dockerignore lets nothing of that name in")

    def _is_let_in(self, path: str) -> bool:
        let_in = True
        for pattern in self._patterns:
            bare = pattern.removeprefix("!")
            if bare in ("*", path) or path.startswith(f"{bare}/") or _matches_anywhere(path, bare):
                let_in = pattern.startswith("!")
        return let_in


def _matches_anywhere(path: str, pattern: str) -> bool:
    inner = pattern.removeprefix("**/")
    return inner != pattern and any(fnmatch.fnmatch(part, inner) for part in path.split("/"))


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile: word and argument, with continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


class Builder:
    """Performs instructions; stages share one root, since none of them takes away what another has put."""

    def __init__(self, context: Context, folder: Path) -> None:
        self._context = context
        self._root = folder.resolve() / "root"
        self.stages: list[Stage] = []

    def perform(self, word: str, rest: str) -> None:
        """Perform one instruction; raises ``ValueError`` for one that is not known here."""
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            self.stages.append(self._inherit(name, base))
            return
        stage = self.stages[-1]
        match word:
            case "WORKDIR":
                stage.workdir = rest
                self._inside(rest).mkdir(parents=True, exist_ok=True)
            case "ENV":
                stage.environment.update(_pair(text) for text in shlex.split(rest))
            case "USER":
                stage.user = rest
            case "ENTRYPOINT":
                stage.entrypoint = json.loads(rest)
            case "CMD":
                stage.command = json.loads(rest)
            case "COPY":
                self._copy(stage, shlex.split(rest))
            case "RUN" if rest.startswith("["):
                arguments = [str(self._inside(item)) if item.startswith("/") else item for item in json.loads(rest)]
                environment = {**os.environ, "PYTHON": sys.executable}
                subprocess.run(arguments, cwd=self._inside(stage.workdir), env=environment, check=True)
            case "RUN":
                stage.skipped.append(rest)
            case _:
                raise ValueError(f"{word} {rest}: no such instruction here")

    def _inherit(self, name: str, base: str) -> Stage:
        for stage in self.stages:
            if stage.name == base:
                return Stage(name, base, stage.workdir, stage.user, environment=dict(stage.environment))
        return Stage(name, base)

    def _copy(self, stage: Stage, arguments: list[str]) -> None:
        if any(argument.startswith("--from=") for argument in arguments):
            return  # from an earlier stage, which has the same root
        mode = next((argument.partition("=")[2] for argument in arguments if argument.startswith("--chmod=")), None)
        *sources, target = (argument for argument in arguments if not argument.startswith("--"))
        place = self._inside(target if target.startswith("/") else f"{stage.workdir}/{target}")
        for source in sources:
            into = place / Path(source).name if target.endswith("/") else place
            self._context.copy(source, into)
            if mode is not None:
                into.chmod(int(mode, 8))

    def _inside(self, path: str) -> Path:
        return self._root / path.lstrip("/")


def main(arguments: list[str]) -> int:
    """Perform what the command line names."""
    if len(arguments) != _ARGUMENTS:
        print(__doc__, file=sys.stderr)
        return 2
    dockerfile, folder = (Path(argument) for argument in arguments)
    builder = Builder(Context(Path.cwd()), folder)
    for word, rest in instructions(dockerfile.read_text()):
        builder.perform(word, rest)
    (folder / "stages.json").write_text(json.dumps([asdict(stage) for stage in builder.stages], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
