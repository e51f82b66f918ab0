"""Signatures in files of their own, over a small model, and somebody's settings and trust store beside them."""

from __future__ import annotations

from pathlib import Path

from tests.unit.trust.authority import Holder
from tests.unit.trust.people import KEYS, store

from modelreg import load_settings
from modelreg.config import Settings
from modelreg.digest import sha256_hex
from modelreg.trust.acceptance import sign_trust_store
from modelreg.trust.keys import PrivateKey
from modelreg.trust.oms import sign
from modelreg.trust.oms_statement import Resource, Serialization, Statement, root_digest, statement_of

FAR = "2099-01-01T00:00:00Z"
FILES = {"config.json": b"{}", "model.h5": b"hello", "sub/vocabulary.txt": b"a\nb\n"}


def settings_of(tmp_path: Path, **flags: str) -> Settings:
    given = {"home": str(tmp_path / "home"), "target": "none", "keys": str(tmp_path / "keys"), **flags}
    return load_settings(given, environ={}, cwd=tmp_path)


def statement(files: dict[str, bytes] = FILES, **more: tuple[str, ...]) -> Statement:
    return statement_of([(path, sha256_hex(data)) for path, data in files.items()], name="model", **more)


def signed(tmp_path: Path, signer: PrivateKey = KEYS["ada"], *chain: Holder, over: Statement | None = None) -> None:
    made = sign(over or statement(), signer, chain=[each.der for each in chain])
    (tmp_path / "model.sig").write_bytes(made.to_bytes())


def pem(tmp_path: Path, signer: PrivateKey = KEYS["ada"]) -> str:
    path = tmp_path / f"{signer.public.id[:8]}.pem"
    path.write_text(signer.public.pem)
    return str(path)


def trusting(tmp_path: Path, **changes: object) -> str:
    document = store(expires_at=FAR, **changes)
    (tmp_path / "trust.json").write_bytes(sign_trust_store(document, [KEYS["ada"], KEYS["bob"]]))
    return str(tmp_path / "trust.json")


def shards(files: dict[str, bytes], size: int) -> Statement:
    pieces = [
        Resource(f"{path}:{start}:{min(start + size, len(data))}", "sha256", sha256_hex(data[start : start + size]))
        for path, data in files.items()
        for start in range(0, len(data), size)
    ]
    told = Serialization("shards", "sha256", allow_symlinks=False, shard_size=size)
    return Statement("model", root_digest(piece.digest for piece in pieces), tuple(pieces), told)
