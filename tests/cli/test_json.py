"""``--json``: one object with a schema on standard output and nothing else anywhere, whatever happens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ANSWERS = {
    "push $MODEL --name other --env none": "push",
    "push $MODEL --name other --env none --dry-run": "push",
    "pull demo": "pull",
    "pull demo --dry-run": "pull",
    "verify demo": "verify",
    "list": "list",
    "list demo": "list",
    "show demo": "show",
    "inspect demo": "inspect",
    "inspect $MODEL": "inspect",
    "repair $MODEL -o repaired.h5 --target $EXAMPLES/python311.txt": "repair",
    "repair $MODEL -o repaired.h5 --target $EXAMPLES/python311.txt --dry-run": "repair",
    "alias demo:1 production": "alias",
    "withdraw demo:1 --reason x --yes": "withdraw",
    "withdraw demo:1 --reason x --dry-run": "withdraw",
    "export demo -o demo.tar": "export",
    "export demo -o demo.tar --dry-run": "export",
    "mirror current there": "mirror",
    "gc --yes": "gc",
    "gc --dry-run": "gc",
    "fsck": "fsck",
    "fsck --read-data": "fsck",
    "fsck --read-data=5% --repair --yes": "fsck",
    "explain": "explain",
    "explain MR104": "explain",
    "log show": "log-show",
    "log checkpoint": "log-checkpoint",
    "log checkpoint --dry-run": "log-checkpoint",
    "log prove demo": "log-prove",
    "log prove demo -o proof.txt": "log-prove",
    "log audit": "log-audit",
    "log key": "log-key",
    "log forget --yes": "log-forget",
    "key generate --no-passphrase": "key-generate",
    "key list": "key-list",
    "key show ada": "key-show",
    "key export ada": "key-export",
    "key export ada --private": "key-export",
    "key export ada -o ada.pem": "key-export",
    "key import $KEYS/ada.key --name copy --no-passphrase": "key-import",
    "key passwd ada --no-passphrase": "key-passwd",
    "trust init -o new.json --root ada": "trust-init",
    "trust init -o new.json --root ada --dry-run": "trust-init",
    "trust show trust.json": "trust-show",
    "trust show two.json": "trust-show",
    "trust add trust.json bob --for fraud/**": "trust-add",
    "trust add trust.json bob --for * --dry-run": "trust-add",
    "trust rotate trust.json --root ada --root bob": "trust-rotate",
    "trust amend trust.json --mode enforce": "trust-amend",
    "trust sign two.json --key bob": "trust-sign",
    "trust sign two.json --dry-run": "trust-sign",
    "trust announce trust.json": "trust-announce",
    "trust import trust.json --root $ROOT": "trust-import",
    "trust import trust.json --root $ROOT --dry-run": "trust-import",
    "sign demo --key ada": "sign",
    "sign demo --key ada --dry-run": "sign",
    "push $MODEL --name other --env none --sign ada": "push",
    "lock demo": "lock",
    "env capture": "environment",
    "env diff current $EXAMPLES/python311.txt": "environment-diff",
    "config show": "config",
    "db status": "db-status",
    "db upgrade": "db-upgrade",
    "db rebuild --add": "db-rebuild",
    "db rebuild --add --dry-run": "db-rebuild",
    "db reindex": "db-reindex",
    "list --format keras_hdf5 --env keras<3 --meta owner": "list",
    "doctor": "doctor",
}


@pytest.mark.parametrize(("line", "schema"), ANSWERS.items())
def test_answers_are_one_object_with_a_schema(
    line: str, schema: str, run: Callable[..., Any], demo: str, models: Path, examples: Path, ada: Path, trust: str
) -> None:
    """Every command's answer is one JSON object that names its form, and nothing stands on standard error."""
    line = line.replace("$MODEL", str(models / "py38/plain.h5")).replace("$EXAMPLES", str(examples))
    line = line.replace("$KEYS", str(ada.parent)).replace("$ROOT", trust)
    answer = run(*line.split(), "--json")
    assert (answer.status, answer.err, answer.json["schema"]) == (0, "", f"modelreg.{schema}/v1")


@pytest.mark.parametrize(
    ("before", "line", "schema"),
    [
        ("alias demo seen --reason first", "alias demo seen --history", "alias-history"),
        ("key generate wit --algorithm ed25519 --no-passphrase", "log witness --key wit", "log-witness"),
        ("key generate wit --algorithm ed25519 --no-passphrase", "log witness --key wit --dry-run", "log-witness"),
    ],
)
@pytest.mark.usefixtures("demo")
def test_answers_that_need_something_before(before: str, line: str, schema: str, run: Callable[..., Any]) -> None:
    """The same of commands that show what another one made."""
    assert run(*before.split()).status == 0
    answer = run(*line.split(), "--json")
    assert (answer.status, answer.err, answer.json["schema"]) == (0, "", f"modelreg.{schema}/v1")


def test_what_is_locked_answers_with_what_it_is(run: Callable[..., Any], demo: str) -> None:
    """``lock`` tells each model and what changed; ``--locked`` is an error without a lock file, and then an answer."""
    assert run("pull", "demo", "--locked", "--json").json["code"] == "not-found"
    answer = run("lock", "demo", "--json").json
    assert list(answer["models"]) == ["demo"]
    assert answer["changes"] == [{"model": "demo", "before": None, "after": answer["models"]["demo"]}]
    for line in ("verify demo --locked", "pull demo --locked -o out"):
        assert run(*line.split(), "--json").json["digest"] == answer["models"]["demo"]["digest"]
    assert run("lock", "--json").json["changes"] == []


def test_an_import_answers_with_what_became_of_each_version(run: Callable[..., Any], demo: str) -> None:
    """``import`` names the archive, and of each version its outcome, also of one that is here already."""
    exported = run("export", demo, "-o", "demo.tar", "--json").json
    answer = run("import", "demo.tar", "--json")
    found = answer.json
    assert (answer.status, answer.err, found["schema"], found["exit"]) == (0, "", "modelreg.import/v1", 0)
    assert found["archive"] == exported["digest"]
    assert [(each["reference"], each["outcome"]) for each in found["versions"]] == [(demo, "present")]
    other = run("import", "demo.tar", "--json", "--home", "other").json
    assert [(each["reference"], each["outcome"]) for each in other["versions"]] == [(demo, "new")]


@pytest.mark.parametrize(
    ("line", "code", "status"),
    [
        ("push", "usage", 2),
        ("nonsense", "usage", 2),
        ("pull --nonsense", "usage", 2),
        ("pull nothing", "not-found", 3),
        ("explain MR999", "not-found", 3),
        ("pull demo -o .", "conflict", 1),
        ("export demo -o -", "usage", 2),
        ("mirror current sqlite:///x.db", "usage", 2),
        ("list --format keras", "usage", 2),
        ("list --env keras<", "usage", 2),
        ("list --has nothing", "usage", 2),
        ("list --meta =x", "usage", 2),
        ("import nothing.tar", "not-found", 3),
        ("pull demo --strict MR201", "refused", 16),
        ("withdraw demo --reason x", "usage", 2),
        ("key show nobody", "not-found", 3),
        ("key generate", "usage", 2),
        ("key generate ../x --no-passphrase", "usage", 2),
        ("key generate --algorithm rsa --no-passphrase", "usage", 2),
        ("key import here --name x --no-passphrase", "signing", 1),
        ("trust show", "usage", 2),
        ("trust show nothing.json", "not-found", 3),
        ("trust show here", "document", 1),
        ("trust init -o new.json", "usage", 2),
        ("trust import here --root x", "document", 1),
    ],
)
def test_errors_are_objects_too(line: str, code: str, status: int, run: Callable[..., Any], demo: str) -> None:
    """An error is an object on standard output whose ``exit`` is the process's exit status."""
    Path("here").touch()
    answer = run(*line.split(), "--json")
    error = answer.json
    assert (error["schema"], error["code"], error["exit"]) == ("modelreg.error/v1", code, status)
    assert (answer.status, answer.err) == (status, "")
    assert set(error) == {"schema", "code", "message", "hint", "exit", "verdict"}


def test_a_refusal_carries_its_verdict(run: Callable[..., Any], models: Path, examples: Path) -> None:
    """The verdict of a refused pull has every finding, and its exit is the sum of the kinds that refuse."""
    run("push", str(models / "py38/lambda.h5"), "--name", "scale", "--env", "none")
    answer = run("pull", "scale", "--verify", "--target", str(examples / "python311.txt"), "--json")
    verdict = answer.json["verdict"]
    refusing = {found["rule"] for found in verdict["findings"] if found["severity"] == "refuse"}
    assert (answer.status, verdict["exit"], verdict["decision"]) == (96, 96, "refused")
    assert refusing == {"MR301", "MR401"}


def test_the_facts_of_a_version_are_the_facts_of_its_file(run: Callable[..., Any], demo: str, models: Path) -> None:
    """``inspect`` tells the same of the pushed file and of the manifest."""
    of_file = run("inspect", str(models / "py38/plain.h5"), "--json").json["facts"]
    assert run("inspect", demo, "--json").json["facts"] == of_file


def test_quiet_and_json_together_give_json(run: Callable[..., Any], demo: str) -> None:
    """A program that asked for JSON gets it, whatever else was asked for."""
    assert run("list", "-q", "--json").json["versions"][0]["reference"] == demo


def test_the_command_of_the_documentation(spawn: Callable[..., Any], models: Path) -> None:
    """``modelreg push ... --json | jq .version`` prints the version."""
    answer = spawn("push", str(models / "py38/plain.h5"), "--name", "demo", "--json")
    assert json.loads(answer.out)["version"] == 1


def test_json_is_plain_ascii(run: Callable[..., Any], models: Path) -> None:
    """No encoding and no terminal can stumble over an answer."""
    run("push", str(models / "py38/plain.h5"), "--name", "demo", "--env", "none", "--meta", "who=\u202eJosé\x9b")
    answer = run("show", "demo", "--json")
    assert answer.out.isascii()
    assert answer.json["manifest"]["metadata"] == {"who": "\u202eJosé\x9b"}


def test_a_proof_is_verified_by_the_key_alone(run: Callable[..., Any], demo: str) -> None:
    """``log verify`` tells what a proof proves, and exits with 16 for another version's."""
    key, proven = run("log", "key", "--json").json["key"], run("log", "prove", demo, "-o", "proof.txt", "--json").json
    answer = run("log", "verify", "proof.txt", "--key", key, "--digest", proven["digest"], "--json")
    found = answer.json
    assert (answer.status, answer.err, found["schema"]) == (0, "", "modelreg.log-verify/v1")
    assert (found["digest"], found["position"], found["size"]) == (proven["digest"], 0, 1)
    other = run("log", "verify", "proof.txt", "--key", key, "--digest", "0" * 64, "--json")
    assert (other.status, other.json["code"]) == (16, "untrusted")
