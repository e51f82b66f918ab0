"""A signed model to be changed, and our verdict on it as a caller would come to it."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from tests.unit.trust.authority import SIGNS_DATA, Holder, authority, issue

from modelreg import SignatureRequest, load_settings, verify_files
from modelreg.artifact import open_artifact
from modelreg.digest.streams import Descriptor, ingest
from modelreg.errors import ModelregError
from modelreg.trust.dsse import IN_TOTO_TYPE, pae
from modelreg.trust.keys import PrivateKey, PublicKey
from modelreg.trust.oms import Bundle, sign
from modelreg.trust.oms_statement import root_digest, statement_of

Json = dict[str, Any]
FILES = {"config.json": b"{}", "model.h5": b"hello", "sub/vocabulary.txt": b"a\nb\n", "sub-zero.txt": b"0"}
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
YEAR = dt.timedelta(days=365)
SIGNER = PrivateKey(ec.derive_private_key(7, ec.SECP256R1()))


@cache
def _vouched() -> tuple[Holder, Holder, Holder]:
    root = authority("root", end=NOW + YEAR)
    between = authority("between", by=root, end=NOW + YEAR)
    return root, between, leaf_of(between)


def leaf_of(by: Holder, *extensions: x509.ExtensionType, end: dt.datetime = NOW + YEAR) -> Holder:
    """A leaf of ``by``; for signatures where nothing else is said."""
    return issue("leaf", extensions or [SIGNS_DATA], by=by, begin=NOW - YEAR / 4, end=end)


@dataclass
class Scene:
    """A model on disk, the bytes of its bundle, and whom the verifier trusts; a case changes some of it."""

    model: Path
    bundle: bytes = b""
    key: PublicKey = SIGNER.public
    root: Holder | None = None
    key_pem: bytes | None = None

    @property
    def json(self) -> Json:
        found: Json = json.loads(self.bundle)
        return found

    @property
    def statement(self) -> Json:
        found: Json = json.loads(base64.b64decode(self.json["dsseEnvelope"]["payload"]))
        return found

    def change(self, change: Callable[[Json], object]) -> None:
        """Change the bundle's JSON and sign nothing."""
        document = self.json
        change(document)
        self.bundle = json.dumps(document).encode()

    def change_statement(self, change: Callable[[Json], object], *, keep_root: bool = False) -> None:
        """Change what was signed, with the root that goes with it, and sign it."""
        statement = self.statement
        change(statement)
        if not keep_root:
            root = root_digest(item["digest"] for item in statement["predicate"]["resources"])
            statement["subject"][0]["digest"]["sha256"] = root
        self.sign_payload(json.dumps(statement).encode())

    def sign_payload(self, payload: bytes, kind: str = IN_TOTO_TYPE) -> None:
        """Put ``payload`` into the bundle, with a good signature."""
        signature = SIGNER.sign(pae(kind, payload))
        told = {
            "payload": to_text(payload),
            "payloadType": kind,
            "signatures": [{"sig": to_text(signature), "keyid": ""}],
        }
        self.change(lambda bundle: bundle.update(dsseEnvelope=told))

    def certify(self, root: Holder, *chain: Holder, signer: PrivateKey | None = None) -> None:
        """Sign the model as it is with the first certificate of ``chain``, to be verified with ``root``."""
        self.root = root
        statement = statement_of(hashed(self.model), name="demo")
        made = sign(statement, signer or chain[0].signer, chain=[chain[0].der] if signer is None else [])
        self.bundle = Bundle(made.envelope, chain=tuple(holder.der for holder in chain)).to_bytes()

    @property
    def vouched(self) -> tuple[Holder, Holder, Holder]:
        """Root, an authority below it, and a leaf below that, all in good order now."""
        return _vouched()


def signed_scene(folder: Path) -> Scene:
    """``FILES`` in a folder, signed with the key ``SIGNER``."""
    model = folder / "demo"
    for path, data in FILES.items():
        (model / path).parent.mkdir(parents=True, exist_ok=True)
        (model / path).write_bytes(data)
    scene = Scene(model)
    scene.bundle = sign(statement_of(hashed(model), name="demo"), SIGNER).to_bytes()
    return scene


def to_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def hashed(model: Path) -> list[tuple[str, str]]:
    """Paths and SHA-256 of an artifact as a push sees it, without a bundle that lies in it."""
    with open_artifact(model) as files:
        return [
            (file.path, ingest(Descriptor(file.descriptor), file.size_bytes).sha256)
            for file in files
            if file.path != "model.sig"
        ]


def our_refusal(scene: Scene) -> str | None:
    """Why `modelreg verify --signature` refuses the model, or ``None``."""
    folder = scene.model.parent
    bundle, trusted = folder / "ours.sig", folder / "ours.pem"
    bundle.write_bytes(scene.bundle)
    if scene.root is not None:
        trusted.write_bytes(scene.root.pem)
        request = SignatureRequest(bundle, roots=trusted)
    else:
        trusted.write_bytes(scene.key_pem or scene.key.pem.encode())
        request = SignatureRequest(bundle, keys=(str(trusted),))
    try:
        found = verify_files(scene.model, request, settings=load_settings(environ={}, cwd=folder))
    except ModelregError as error:
        return error.message
    assert found.signature is not None
    return None
