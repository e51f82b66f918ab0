"""The table of commands; a command's module is imported when the command is used, so that ``--help`` stays fast."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, MutableMapping
from typing import Any

import typer
from typer.core import TyperGroup

COMMANDS = {
    "push": "Push a model file or folder as the next version of its name.",
    "pull": "Judge a version, then fetch it, every chunk verified.",
    "verify": "Check a version in the store, or a pulled folder without any registry.",
    "replay": "Compute a version's golden predictions again, in any interpreter's Keras, and compare.",
    "list": "List every version of every model, or of one, by name and number.",
    "show": "Show everything about a version, and what a pull of it would find.",
    "diff": "Show what differs between two models: tensors, layers, environment, facts.",
    "inspect": "Read a file, a folder or a version: layers, tensors, custom objects, hazards.",
    "diagnose": "Say whether a model will load there, why not, and what to type.",
    "repair": "Mend a model for another Keras by rewriting its configuration, never its weights.",
    "alias": "Point an alias at a version, delete it, or show its history.",
    "withdraw": "Refuse a version from now on, and say why.",
    "sign": "Sign a version that is in the registry.",
    "lock": "Write down which versions names stand for, for pull --locked.",
    "export": "Write versions into one archive, every byte verified on the way.",
    "import": "Take in the versions of an archive, judged as at a push.",
    "mirror": "Copy the versions that one registry has and another lacks.",
    "gc": "Remove blobs that no version needs, while others push and pull.",
    "fsck": "Check rows, manifests and blobs against each other, and mend what is damaged.",
    "explain": "Explain a rule, or list them all.",
    "log": "Show, sign, prove and audit the log of everything that was pushed.",
    "key": "Make, show, move and protect the keys that sign.",
    "trust": "Say whose signatures count, in one signed file.",
    "env": "Capture and compare environments.",
    "config": "Show every setting and where its value comes from.",
    "db": "Show and upgrade the database's schema, and rebuild a lost database.",
    "doctor": "Say whether the registry can be used, and what is in the way.",
}
"""Every command and its one line of help; the module ``modelreg_cli.commands.NAME`` holds its ``app``."""


class _Commands(MutableMapping[str, Any]):
    """The commands by name; one is imported when it is looked up."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in COMMANDS:
            raise KeyError(name)
        if name not in self._loaded:
            module = importlib.import_module(f"modelreg_cli.commands.{name}")
            command = typer.main.get_command(module.app)
            command.name = name
            self._loaded[name] = command
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class LazyGroup(TyperGroup):
    """A group that lists its commands from ``COMMANDS``, importing none of them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**(attributes | {"commands": _Commands()}))

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        """Write the section of ``--help`` that lists the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
