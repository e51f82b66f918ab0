"""OpenSSF Model Signing, both ways, against the public tool: what each makes the other takes, and each mutation's verdict."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from tests.interop.cases import CASES, Case, table
from tests.interop.conftest import ENVIRONMENT, Tool
from tests.interop.scene import NOW, SIGNER, Scene, hashed, our_refusal, signed_scene
from tests.unit.trust.authority import SIGNS_DATA, authority, issue

from modelreg import Registry
from modelreg.trust.keys import Algorithm, PrivateKey
from modelreg.trust.oms import sign
from modelreg.trust.oms_statement import statement_of
from modelreg_cli.app import main

CURVES = [Algorithm.ECDSA_P256, Algorithm.ECDSA_P384, Algorithm.ECDSA_P521]
PAGE = Path(__file__).parents[2] / "docs" / "signing-interop.md"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A folder that is signed with a bare key."""
    return signed_scene(tmp_path)


def their_refusal(tool: Tool, scene: Scene) -> str | None:
    """Why the public tool refuses the model, or ``None``."""
    folder = scene.model.parent
    bundle, trusted = folder / "model.sig", folder / "trusted.pem"
    bundle.write_bytes(scene.bundle)
    if scene.root is not None:
        trusted.write_bytes(scene.root.pem)
        how: list[str | Path] = ["certificate", "--certificate_chain", trusted]
    else:
        trusted.write_bytes(scene.key_pem or scene.key.pem.encode())
        how = ["key", "--public_key", trusted]
    status, output = tool("verify", *how, "--signature", bundle, scene.model)
    assert (status == 0) == ("Verification succeeded" in output), output
    return None if status == 0 else output


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.group}: {case.name}")
def test_each_mutation_gets_the_verdict_that_the_page_tells(case: Case, scene: Scene, model_signing: Tool) -> None:
    """Claim: on every change to files, bundle, statement, key or chain both verdicts are those of the page."""
    case.do(scene)
    ours, theirs = our_refusal(scene), their_refusal(model_signing, scene)
    assert (ours is None, theirs is None) == (case.ours, case.theirs), f"ours: {ours}\ntheirs: {theirs}"


def test_there_are_enough_and_each_difference_has_a_reason() -> None:
    """Claim: at least 22 mutations, and no difference without its reason, nor a reason without a difference."""
    assert len(CASES) >= 22
    assert len({(case.group, case.name) for case in CASES}) == len(CASES)
    assert [case.name for case in CASES if (case.ours != case.theirs) != bool(case.why)] == []


def test_the_page_holds_the_table() -> None:
    """Claim: docs/signing-interop.md tells what is tested; `python -m tests.interop.cases` prints the table anew."""
    assert table() in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("algorithm", CURVES)
def test_what_we_sign_the_public_tool_takes(algorithm: Algorithm, kind: str, scene: Scene, model_signing: Tool) -> None:
    """Claim: a folder, and a file in a folder beside its bundle, verify with `model_signing verify key` as they stand."""
    key = PrivateKey.generate(algorithm)
    if kind == "file":
        scene.model = scene.model.parent / "single-1"
        scene.model.mkdir()
        (scene.model / "model.h5").write_bytes(b"hello")
    inside = scene.model / "model.sig"
    inside.write_bytes(sign(statement_of(hashed(scene.model), name="demo"), key).to_bytes())
    trusted = scene.model.parent / "key.pem"
    trusted.write_text(key.public.pem)
    status, output = model_signing("verify", "key", "--public_key", trusted, "--signature", inside, scene.model)
    assert (status, "Verification succeeded" in output) == (0, True), output


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("algorithm", CURVES)
def test_a_pulled_model_verifies_with_the_public_tool_as_it_stands(
    algorithm: Algorithm, kind: str, registry: Registry, tmp_path: Path, models: Path, model_signing: Tool
) -> None:
    """Claim: what a signed push and a pull leave verifies, ``.modelreg`` and all, and not with a byte or a file more."""
    key, path = PrivateKey.generate(algorithm), models / "py38" / ("plain.h5" if kind == "file" else "savedmodel_plain")
    registry.push(path, name="demo", environment="none", signer=key)
    folder = registry.pull("demo", tmp_path / "out", target="none").folder
    (bundle,) = (folder / ".modelreg" / "bundles").glob("*.oms.json")
    trusted = tmp_path / "key.pem"
    trusted.write_text(key.public.pem)

    def verify() -> int:
        return model_signing("verify", "key", "--public_key", trusted, "--signature", bundle, folder)[0]

    assert verify() == 0
    planted = folder / "planted.py"
    planted.write_text("")
    assert verify() != 0
    planted.unlink()
    changed = next(path for path in sorted(folder.rglob("*")) if path.is_file() and ".modelreg" not in path.parts)
    changed.chmod(0o644)
    changed.write_bytes(changed.read_bytes() + b" ")
    assert verify() != 0


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("algorithm", CURVES)
def test_what_the_public_tool_signs_we_take(algorithm: Algorithm, kind: str, scene: Scene, model_signing: Tool) -> None:
    """Claim: a folder, and a file by itself, signed by `model_signing sign key`, verify here, and not after a change."""
    key = PrivateKey.generate(algorithm)
    secret, bundle = scene.model.parent / "secret.pem", scene.model.parent / "model.sig"
    secret.write_bytes(key.to_pem())
    model = scene.model / "model.h5" if kind == "file" else scene.model
    status, output = model_signing("sign", "key", "--private_key", secret, "--signature", bundle, model)
    assert status == 0, output
    found = dataclasses.replace(scene, model=model, key=key.public, bundle=bundle.read_bytes())
    assert our_refusal(found) is None
    (scene.model / "model.h5").write_bytes(b"hullo")
    assert str(our_refusal(found)).endswith("model.h5 does not hold the bytes that were signed")


SHARDED = """
import pathlib, sys
from model_signing import hashing, signing
config = signing.Config().use_elliptic_key_signer(private_key=pathlib.Path(sys.argv[1]))
config.set_hashing_config(hashing.Config().use_shard_serialization(shard_size=3)).sign(sys.argv[2], sys.argv[3])
"""


def test_shards_that_the_public_library_signs_we_take(scene: Scene) -> None:
    """Claim: its command line makes none, its library cannot read its own, and here they verify and tell a change."""
    secret, bundle = scene.model.parent / "secret.pem", scene.model.parent / "model.sig"
    secret.write_bytes(SIGNER.to_pem())
    program: list[str | Path] = [ENVIRONMENT / "bin" / "python", "-c", SHARDED, secret, scene.model, bundle]
    subprocess.run(program, check=True, capture_output=True, timeout=60)
    found = dataclasses.replace(scene, bundle=bundle.read_bytes())
    assert found.statement["predicate"]["serialization"]["method"] == "shards"
    assert our_refusal(found) is None
    (scene.model / "model.h5").write_bytes(b"hello\0")
    assert str(our_refusal(found)).endswith("model.h5 does not hold the bytes that were signed")


@pytest.mark.parametrize("algorithm", CURVES)
def test_certificate_chains_are_taken_both_ways(algorithm: Algorithm, scene: Scene, model_signing: Tool) -> None:
    """Claim: leaf, authority and root in good order verify there when signed here, and here when signed there."""
    folder, key = scene.model.parent, PrivateKey.generate(algorithm)
    root = authority("root", end=NOW.replace(year=NOW.year + 1))
    between = authority("between", by=root, end=NOW.replace(year=NOW.year + 1))
    leaf = issue("leaf", [SIGNS_DATA], by=between, key=key._key, end=NOW.replace(year=NOW.year + 1))  # type: ignore[arg-type]
    scene.certify(root, leaf, between)
    assert our_refusal(scene) is None
    assert their_refusal(model_signing, scene) is None
    secret, certificate, chain = folder / "secret.pem", folder / "leaf.pem", folder / "chain.pem"
    secret.write_bytes(key.to_pem())
    certificate.write_bytes(leaf.certificate.public_bytes(serialization.Encoding.PEM))
    chain.write_bytes(between.pem + root.pem)
    bundle = folder / "theirs.sig"
    how: list[str | Path] = [
        "--private_key",
        secret,
        "--signing_certificate",
        certificate,
        "--certificate_chain",
        chain,
    ]
    status, output = model_signing("sign", "certificate", *how, "--signature", bundle, scene.model)
    assert status == 0, output
    assert our_refusal(dataclasses.replace(scene, bundle=bundle.read_bytes())) is None


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_the_command_takes_what_the_public_tool_signs(
    kind: str,
    registry: Registry,
    tmp_path: Path,
    models: Path,
    model_signing: Tool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Claim: files as anybody has them, the signature inside where the tool puts it, and the version of those files."""
    monkeypatch.setenv("MODELREG_TARGET", "none")
    path, bundle = tmp_path / "demo", tmp_path / "demo" / "model.sig"
    if kind == "file":
        path, bundle = tmp_path / "plain.h5", tmp_path / "model.sig"
        shutil.copy(models / "py38" / "plain.h5", path)
    else:
        shutil.copytree(models / "py38" / "savedmodel_plain", path)
    reference = registry.push(path, name="demo", environment="none").reference
    key, secret, public = PrivateKey.generate(), tmp_path / "secret.pem", tmp_path / "public.pem"
    secret.write_bytes(key.to_pem())
    public.write_text(key.public.pem)
    status, output = model_signing("sign", "key", "--private_key", secret, "--signature", bundle, path)
    assert status == 0, output
    home = str(registry.settings.home.value)
    for subject in (str(path), reference):
        line = ["verify", subject, "--signature", str(bundle), "--home", home]
        assert main([*line, "--key", str(public)]) == 0
        assert f"signed by the key {key.public.id[:16]}" in capsys.readouterr().out
        assert main(line) == 16
    changed = path if kind == "file" else path / "saved_model.pb"
    changed.chmod(0o644)
    with changed.open("ab") as file:
        file.write(b" ")
    capsys.readouterr()
    assert main(["verify", str(path), "--signature", str(bundle), "--key", str(public)]) == 16
    assert f"{changed.name} does not hold the bytes that were signed" in capsys.readouterr().err
