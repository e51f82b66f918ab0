"""No credential is ever shown: planted in every place that can hold one, and looked for in what every command says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import typer
from tests.servers.server import SECRET_KEY

import modelreg
from modelreg.store import s3
from modelreg.store.retry import RetryPolicy
from modelreg_cli.app import app, main

if TYPE_CHECKING:
    from tests.servers.server import S3Server

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.usefixtures("aws_credentials")]

PLANTED = "hunter2-planted"
ELSEWHERE = f"s3://AKIA:{PLANTED}@models/p"
LINES = {
    "push": ("push model.h5 --name m --env none",),
    "pull": ("pull m -o out --force --target none",),
    "verify": ("verify m --full", "verify m --signature model.h5 --key k", "verify model.h5 --signature nothing.sig"),
    "replay": ("replay m",),
    "list": ("list", "list --env keras<3"),
    "show": ("show m",),
    "diff": ("diff m:1 model.h5",),
    "inspect": ("inspect m",),
    "diagnose": ("diagnose nothing.h5 --target none",),
    "repair": ("repair nothing.h5 -o mended.h5 --target none",),
    "alias": ("alias m:1 production", "alias m production --history", "alias m production --delete"),
    "withdraw": ("withdraw m:1 --reason x --dry-run",),
    "sign": ("sign m:1", "sign m:1 --key k"),
    "lock": ("lock m",),
    "export": ("export m:1 -o m.tar --force",),
    "import": ("import m.tar",),
    "mirror": (
        f"mirror current postgresql://ada:{PLANTED}@127.0.0.1:1/r,{ELSEWHERE}",
        f"mirror postgresql://ada:{PLANTED}@127.0.0.1:1/r current",
        f"mirror sqlite:///there.db,{ELSEWHERE} current",
        "mirror current there",
    ),
    "gc": ("gc --yes", "gc --dry-run --even-if-empty"),
    "fsck": ("fsck --read-data", f"fsck --repair --yes --from {ELSEWHERE}"),
    "explain": ("explain",),
    "log show": ("log show",),
    "log checkpoint": ("log checkpoint --dry-run", "log checkpoint -o note"),
    "log witness": ("log witness --key k",),
    "log prove": ("log prove m -o proof",),
    "log verify": ("log verify proof --key m",),
    "log audit": ("log audit --known note",),
    "log key": ("log key",),
    "log forget": ("log forget --yes",),
    "key generate": ("key generate k --no-passphrase", "key generate"),
    "key list": ("key list",),
    "key show": ("key show k",),
    "key export": ("key export k", "key export k --private -o nothing/there.pem"),
    "key import": ("key import nothing.pem",),
    "key passwd": ("key passwd k --no-passphrase",),
    "trust init": ("trust init -o t.json --root k",),
    "trust show": ("trust show t.json",),
    "trust add": ("trust add t.json k --for *",),
    "trust remove": ("trust remove t.json --for *",),
    "trust revoke": ("trust revoke t.json k --reason x --compromised",),
    "trust rotate": ("trust rotate t.json --root k",),
    "trust amend": ("trust amend t.json --mode enforce",),
    "trust sign": ("trust sign t.json",),
    "trust import": ("trust import t.json",),
    "trust announce": ("trust announce t.json",),
    "env capture": ("env capture",),
    "env diff": ("env diff current current",),
    "config show": ("config show",),
    "db status": ("db status",),
    "db upgrade": ("db upgrade",),
    "db reindex": ("db reindex",),
    "db rebuild": ("db rebuild", "db rebuild --add --dry-run"),
    "doctor": ("doctor",),
}
"""What is typed of each command; where the one before succeeded, the next finds what it made."""


def commands(command: Any, *words: str) -> Iterator[str]:
    """The words of every command below ``command``."""
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join(words)
        return
    for name in below:
        yield from commands(below[name], *words, name)


def test_no_command_is_forgotten() -> None:
    """Claim: what is typed here is every command that the program has."""
    assert list(LINES) == list(commands(typer.main.get_command(app)))


Setting = Callable[[pytest.FixtureRequest], dict[str, str]]


def _database(url: str) -> Setting:
    return lambda _: {"MODELREG_DATABASE_URL": url}


def _password_of_a_database_that_is_there(request: pytest.FixtureRequest) -> dict[str, str]:
    url = sa.make_url(request.getfixturevalue("postgres_url")).set(password=PLANTED)
    return {"MODELREG_DATABASE_URL": url.render_as_string(hide_password=False)}


def _store(request: pytest.FixtureRequest) -> str:
    server: S3Server = request.getfixturevalue("juicefs")
    return server.url(f"secrets/{request.node.name.partition('[')[2][:-1]}")


def _behind_a_proxy(_: pytest.FixtureRequest) -> dict[str, str]:
    return {
        "MODELREG_STORAGE_URL": "s3://models/p?endpoint=http://no-such-host.invalid",
        "HTTP_PROXY": f"http://ada:{PLANTED}@127.0.0.1:1",
    }


PLACES: dict[str, Setting] = {
    "password": _database(f"postgresql://ada:{PLANTED}@127.0.0.1:1/registry"),
    "password-in-the-query": _database(f"postgresql://ada@127.0.0.1:1/registry?password={PLANTED}"),
    "password-beside-a-wrong-option": _database(f"postgresql://ada:{PLANTED}@127.0.0.1:1/r?sslpassword={PLANTED}&x=1"),
    "password-of-another-driver": _database(f"postgresql+psycopg2://ada:{PLANTED}@127.0.0.1:1/registry"),
    "password-that-works": _password_of_a_database_that_is_there,
    "secret-key-that-works": lambda request: {"MODELREG_STORAGE_URL": _store(request)},
    "secret-key-that-is-wrong": lambda request: {
        "MODELREG_STORAGE_URL": _store(request),
        "AWS_SECRET_ACCESS_KEY": PLANTED,
    },
    "secret-key-in-the-address": lambda _: {"MODELREG_STORAGE_URL": ELSEWHERE},
    "secret-key-as-a-parameter": lambda _: {"MODELREG_STORAGE_URL": f"s3://models/p?secret={PLANTED}"},
    "password-of-the-endpoint": lambda _: {"MODELREG_STORAGE_URL": f"s3://models/p?endpoint=http://ada:{PLANTED}@h:1"},
    "password-of-a-store-of-no-kind": lambda _: {"MODELREG_STORAGE_URL": f"ftp://ada:{PLANTED}@h/p"},
    "password-of-the-proxy": _behind_a_proxy,
}
SUCCEED = {"password-that-works", "secret-key-that-works"}


@pytest.mark.parametrize("place", PLACES)
def test_no_command_shows_a_secret(
    place: str,
    request: pytest.FixtureRequest,
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Claim: neither output, JSON nor a debugging traceback of any command holds it, and no failure is a bug."""
    environment = PLACES[place](request)
    monkeypatch.chdir(tmp_path)
    Path("model.h5").write_bytes((models / "py38" / "plain.h5").read_bytes())
    Path("m.tar").write_bytes(b"no archive")
    monkeypatch.setattr(s3, "BRIEF", RetryPolicy(attempts=2, wait_initial_s=0.01, wait_jitter_s=0.0))
    for name, value in {"MODELREG_HOME": str(tmp_path / "home"), "MODELREG_DEBUG": "1", **environment}.items():
        monkeypatch.setenv(name, value)
    failed = 0
    for lines in LINES.values():
        for line in lines:
            for form in ([], ["--json"]):
                failed += main([*line.split(), *form]) != 0
                shown = "".join(capfd.readouterr())
                assert shown, line
                assert PLANTED not in shown, line
                assert SECRET_KEY not in shown, line
                assert "Traceback" not in shown, line
                assert "internal error" not in shown, line
    assert failed > (0 if place in SUCCEED else 20)
    settings = repr(modelreg.load_settings({}))
    assert PLANTED not in settings


def test_the_traceback_of_a_bug_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Claim: what a library says of its own accord is masked too, in the message as in the traceback."""

    def broken(_: object) -> None:
        raise RuntimeError(f"could not connect to postgresql://ada:{PLANTED}@h/r?password={PLANTED}")

    monkeypatch.setattr(modelreg, "load_settings", broken)
    monkeypatch.setenv("MODELREG_DEBUG", "1")
    for form in ([], ["--json"]):
        assert main(["config", "show", *form]) == 1
        shown = "".join(capfd.readouterr())
        assert "Traceback" in shown
        assert "could not connect to postgresql://ada:***@h" in shown
        assert PLANTED not in shown
