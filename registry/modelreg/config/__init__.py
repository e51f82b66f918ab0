"""The settings: what they are, where each value may come from, and where it did come from.

A flag beats the environment, which beats the project's ``modelreg.toml``, then the user's ``config.toml``, then the
default.  ``SCHEMA`` is the one table of settings: the reader, ``config show`` and the documentation follow it.
Invariants:

* A file that exists and cannot be read, holds an unknown key, or a value of another type is an error, never skipped.
* The project file is the nearest one above the working folder, not beyond the first folder that holds ``.git``.
* Where keys lie and who is trusted is each user's own: a project's file that says so is an error.
* At most ``FILE_SIZE_BYTES_MAX`` of a file are read; a relative path in a file is relative to that file's folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from modelreg.config.schema import SCHEMA
from modelreg.config.values import DEFAULT_KEY, SCHEME, Given, Value, absolute, read, sqlite_url
from modelreg.errors import UsageError
from modelreg.masking import masked

FILE_SIZE_BYTES_MAX = 1024 * 1024
"""A settings file of any sense is under 10 KB."""
PROJECT_FILE = "modelreg.toml"

T_co = TypeVar("T_co", covariant=True)


_BY_NAME = {row.name: row for row in SCHEMA}
_STARTS_A_PROGRAM = ("command:", "pkcs11:")
_USERS_OWN = ("keys", "trust_store", "certificate_roots", "log_key")
"""Whoever writes a project's file is not to choose where its users' private keys are written, or whom they believe."""


@dataclass(frozen=True, slots=True)
class Setting(Generic[T_co]):
    """One value and where it came from: ``flag``, ``environment VARIABLE``, a file's path or ``default``."""

    name: str
    value: T_co
    source: str

    def __repr__(self) -> str:
        return f"Setting({self.name!r}, {masked(repr(self.value))}, {self.source!r})"


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its source, in the order of ``SCHEMA``; iterating gives them one by one."""

    home: Setting[Path]
    database_url: Setting[str]
    storage_url: Setting[str]
    target: Setting[str]
    require_signature: Setting[bool]
    allow: Setting[tuple[str, ...]]
    strict: Setting[tuple[str, ...]]
    provides: Setting[tuple[str, ...] | None]
    user: Setting[str]
    keys: Setting[Path]
    sign: Setting[str | None]
    trust_store: Setting[Path | None]
    certificate_roots: Setting[Path | None]
    log_key: Setting[Path | None]

    def __iter__(self) -> Iterator[Setting[Value]]:
        return (cast(Setting[Value], getattr(self, field.name)) for field in fields(self))


def load_settings(
    flags: Mapping[str, str] | None = None, *, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Settings:
    """Read every source once and settle each setting.

    ``flags`` maps settings' names to the texts given on the command line, lists separated by commas; an empty variable
    of ``environ`` counts as unset.  Raises ``UsageError`` naming the flag, variable or file, and the value.
    """
    environ = os.environ if environ is None else environ
    cwd = Path.cwd() if cwd is None else cwd
    given: dict[str, Given] = {}
    given |= _from_file(user := _user_file(), f"user file {user}")
    project = find_project_file(cwd)
    if project is not None:
        by_project = _from_file(project, str(project))
        for name in _USERS_OWN:
            if name in by_project:
                hint = f"set {_BY_NAME[name].variable}, or write it into {user}"
                raise UsageError(f"{project}: {name} is each user's own, not a project's", hint=hint)
        if "sign" in by_project and str(by_project["sign"].value).startswith(_STARTS_A_PROGRAM):
            raise UsageError(
                f"{project}: sign names a program to start, which is each user's own choice, not a project's",
                hint=f"set MODELREG_SIGN, or write it into {user}",
            )
        given |= by_project
    variables = {row.name: row.variable for row in SCHEMA if environ.get(row.variable)}
    given |= {name: Given(environ[key], f"environment {key}", cwd, is_text=True) for name, key in variables.items()}
    for name, text in (flags or {}).items():
        given[_known(name, "flag")] = Given(text, "flag", cwd, is_text=True)
    found = {name: Setting(name, read(_BY_NAME[name], value), value.source) for name, value in given.items()}
    return _settle(found, environ)


def _settle(found: Mapping[str, Setting[Value]], environ: Mapping[str, str]) -> Settings:
    """Fill in the defaults, those of the database, the store and the log's key following ``home``.

    A database that was named is shared, and has a log's key only where one is named too.
    """
    home = found.get("home") or Setting("home", _user_data(), "default")
    defaults: dict[str, Callable[[], Value]] = {
        "database_url": lambda: sqlite_url(Path(str(home.value)) / "registry.db"),
        "storage_url": lambda: f"file://{home.value}/store",
        "target": lambda: "current",
        "require_signature": lambda: False,
        "allow": tuple,
        "strict": tuple,
        "provides": lambda: None,
        "user": lambda: login_name(environ),
        "keys": _user_keys,
        "sign": lambda: DEFAULT_KEY,
        "trust_store": lambda: None,
        "certificate_roots": lambda: None,
        "log_key": lambda: None if "database_url" in found else Path(str(home.value)) / "log.key",
    }
    filled = {name: found.get(name) or Setting(name, make(), "default") for name, make in defaults.items()}
    return Settings(home=cast(Setting[Path], home), **cast(dict[str, Any], filled))


def load_place(text: str, *, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of a registry beside the usual one: ``text`` is its home folder, or its settings file (``*.toml``).

    No other source of settings counts.  Raises ``UsageError`` for what names no registry.
    """
    cwd = Path.cwd()
    if SCHEME.match(text) or not text.strip():
        raise UsageError(
            f"{masked(text)!r} is no registry: that has a database and a store",
            hint="name its home folder, or a file like modelreg.toml with database_url and storage_url",
        )
    path = absolute(text, cwd)
    if path.suffix != ".toml":
        given = {"home": Given(str(path), "argument", cwd, is_text=True)}
    elif not path.is_file():
        raise UsageError(f"there is no settings file {str(path)!r}", hint="write database_url and storage_url into it")
    else:
        given = _from_file(path, str(path))
    if "home" not in given and not {"database_url", "storage_url"} <= given.keys():
        raise UsageError(f"{path}: it names no registry", hint="write database_url and storage_url into it, or home")
    found = {name: Setting(name, read(_BY_NAME[name], value), value.source) for name, value in given.items()}
    return _settle(found, os.environ if environ is None else environ)


# --- files ------------------------------------------------------------------------------------------------------------


def find_project_file(cwd: Path) -> Path | None:
    """The nearest ``modelreg.toml`` in ``cwd`` or above it."""
    return find_above(cwd, PROJECT_FILE)


def find_above(cwd: Path, name: str) -> Path | None:
    """The nearest file ``name`` in ``cwd`` or above it, up to the first folder that holds ``.git``."""
    start = Path(os.path.abspath(cwd))  # noqa: PTH100 - resolve() would walk up another branch through a symlink
    for folder in (start, *start.parents):
        path = folder / name
        if os.path.lexists(path):
            return path
        if (folder / ".git").exists():
            return None
    return None


def _user_file() -> Path:
    return user_configuration() / "config.toml"


def _user_keys() -> Path:
    return user_configuration() / "keys"


def user_configuration() -> Path:
    """The folder of what the user has set up."""
    import platformdirs

    return platformdirs.user_config_path("modelreg")


def _user_data() -> Path:
    import platformdirs

    return platformdirs.user_data_path("modelreg")


def _from_file(path: Path, source: str) -> dict[str, Given]:
    """Every key of a settings file, names checked; empty where there is no such file."""
    if not os.path.lexists(path):
        return {}
    values = _parse_toml(_read_file(path), path)
    return {_known(name, str(path)): Given(value, source, path.parent, is_text=False) for name, value in values.items()}


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(FILE_SIZE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"{path}: the settings cannot be read: {error.strerror or error}") from None
    if len(data) > FILE_SIZE_BYTES_MAX:
        raise UsageError(f"{path}: longer than the {FILE_SIZE_BYTES_MAX:,} bytes that settings may have")
    return data


def _parse_toml(data: bytes, path: Path) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}: not UTF-8 text (at line {line})") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}", hint='settings look like: target = "python3.11"') from None


def _known(name: str, place: str) -> str:
    """``name`` if it is a setting's; raises ``UsageError`` with the nearest one otherwise."""
    if name in _BY_NAME:
        return name
    import difflib

    near = difflib.get_close_matches(name, _BY_NAME, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "settings are: " + ", ".join(_BY_NAME)
    raise UsageError(f"{place}: there is no setting {name[:60]!r}", hint=hint)


def login_name(environ: Mapping[str, str]) -> str:
    """The name of who is logged in, as ``getpass`` finds it; ``uid-N`` in a container that has no name for it."""
    import pwd

    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if environ.get(variable):
            return environ[variable]
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"
