"""``verify --signature``: any files, and a version, against a bundle in a file of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def bundle(run: Callable[..., Any], ada: Path, models: Path) -> Path:
    """``model.sig`` over the file ``model.h5`` beside it, by the key ada, of which a version ``demo`` is here too."""
    shutil.copy(models / "py38/plain.h5", "model.h5")
    assert run("push", "model.h5", "--name", "demo", "--env", "none", "--sign", "ada").status == 0
    assert run("pull", "demo", "-o", "out").status == 0
    (found,) = Path("out/.modelreg/bundles").glob("*.oms.json")
    return found.rename("model.sig")


def test_files_are_told_as_signed(run: Callable[..., Any], bundle: Path) -> None:
    """A file by itself and the folder it was pulled into; in a word the path, in JSON who signed."""
    answer = run("verify", "model.h5", "--signature", "model.sig", "--key", "ada")
    first, second = answer.out.splitlines()
    assert first.startswith("model.h5 is what model.sig says: 1 file signed by the key ")
    assert second == "16,672 bytes in 'model.h5', every SHA-256 verified; passed"
    assert (answer.status, answer.err) == (0, "")
    assert run("verify", "./out", "--signature", "model.sig", "-q").out == "out\n"
    found = run("verify", "model.h5", "--signature", "model.sig", "--json").json
    assert (found["schema"], found["source"], found["digest"]) == ("modelreg.verify/v1", "files", None)
    key_id = run("key", "show", "ada", "--json").json["id"]
    assert found["signature"] == {"file": "model.sig", "key_id": key_id, "certificate": None, "files": 1}
    assert found["verdict"]["decision"] == "passed"


def test_a_version_is_told_as_signed(run: Callable[..., Any], bundle: Path) -> None:
    """Beside everything else that is said of a version; without the option there is no such signature."""
    answer = run("verify", "demo:1", "--signature", "model.sig")
    assert answer.out.splitlines()[1].startswith("demo:1 is what model.sig says: 1 file signed by the key ")
    assert run("verify", "demo:1", "--signature", "model.sig", "--json").json["signature"]["file"] == "model.sig"
    assert run("verify", "demo:1", "--json").json["signature"] is None


def test_what_differs_is_refused_and_named(run: Callable[..., Any], bundle: Path) -> None:
    """Exit status 16, each file on a line, and the same in JSON."""
    with Path("model.h5").open("ab") as file:
        file.write(b" ")
    answer = run("verify", "model.h5", "--signature", "model.sig")
    assert answer.status == 16
    assert answer.err.splitlines() == [
        "error: 'model.h5' is refused: model.h5 does not hold the bytes that were signed",
        "refused: MR202 untrusted",
        "    fix: get the files again from whoever signed them",
        "hint: modelreg explain MR202",
    ]
    found = run("verify", "model.h5", "--signature", "model.sig", "--json").json
    assert (found["code"], found["exit"], found["verdict"]["findings"][0]["where"]) == ("refused", 16, "model.h5")


def test_a_stranger_s_signature_is_refused(run: Callable[..., Any], bundle: Path) -> None:
    """Whoever names a signature is not content with a warning; --no-verify says that nothing was verified."""
    assert run("key", "generate", "bob", "--no-passphrase").status == 0
    answer = run("verify", "model.h5", "--signature", "model.sig", "--key", "bob")
    assert answer.status == 16
    assert "has no signature by a trusted key" in answer.err
    assert "is by the key with the hint" in answer.err
    answer = run("verify", "model.h5", "--signature", "model.sig", "--key", "bob", "--no-verify")
    assert (answer.status, answer.out) == (0, "0 bytes in 'model.h5', nothing verified; passed\n")


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ("verify model.h5 --key ada", 2, "none is given"),
        ("verify demo --name demo", 2, "none is given"),
        ("verify demo --certificate-roots roots.pem", 2, "none is given"),
        ("verify model.h5 --signature model.sig --replay", 2, "'model.h5' is on disk"),
        ("verify model.h5 --signature model.sig --target current", 2, "'model.h5' is on disk"),
        ("verify model.h5 --signature model.sig --provides none", 2, "'model.h5' is on disk"),
        ("verify model.h5 --signature nothing.sig", 3, "there is no signature 'nothing.sig'"),
        ("verify ./nothing --signature model.sig", 3, "there is no file or folder './nothing'"),
        ("verify nothing --signature model.sig", 3, "there is no model 'nothing'"),
        ("verify demo:1 --signature model.sig --name other", 2, "is one of 'demo', not of 'other'"),
        ("verify model.h5 --signature model.h5", 16, "OpenSSF Model Signing bundle"),
    ],
)
def test_what_cannot_be_asked_is_told(
    line: str, status: int, words: str, run: Callable[..., Any], bundle: Path
) -> None:
    """No option is passed over in silence, and nothing that is not there passes."""
    answer = run(*line.split())
    assert (answer.status, answer.out) == (status, "")
    assert words in answer.err
