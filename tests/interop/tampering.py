"""What somebody can do to a signed model, its bundle, and the keys and certificates that are trusted."""

from __future__ import annotations

import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import BasicConstraints, ExtendedKeyUsage
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.interop.scene import NOW, YEAR, Json, Scene, leaf_of, to_text
from tests.unit.trust.authority import SIGNS_CERTIFICATES, SIGNS_DATA, Holder, authority, issue, usage

from modelreg.trust.keys import PrivateKey

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def envelope(bundle: Json) -> Json:
    found: Json = bundle["dsseEnvelope"]
    return found


def signature(bundle: Json) -> Json:
    found: Json = envelope(bundle)["signatures"][0]
    return found


def material(bundle: Json) -> Json:
    found: Json = bundle["verificationMaterial"]
    return found


def predicate(statement: Json) -> Json:
    found: Json = statement["predicate"]
    return found


def resource(statement: Json) -> Json:
    found: Json = predicate(statement)["resources"][1]
    assert found["name"] == "model.h5"
    return found


def write(scene: Scene, path: str, data: bytes = b"x") -> None:
    (scene.model / path).parent.mkdir(parents=True, exist_ok=True)
    (scene.model / path).write_bytes(data)


def planted_where_ignored(scene: Scene) -> None:
    scene.change_statement(lambda told: predicate(told)["serialization"].update(ignore_paths=[".git"]))
    write(scene, ".git/hooks/post-checkout")


def swap_contents(scene: Scene) -> None:
    first, second = scene.model / "model.h5", scene.model / "config.json"
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)


def link(scene: Scene) -> None:
    target = scene.model.parent / "elsewhere"
    (scene.model / "model.h5").rename(target)
    (scene.model / "model.h5").symlink_to(target)


def flip(text: str, place: int) -> str:
    data = bytearray(base64.b64decode(text))
    data[place] ^= 1
    return to_text(bytes(data))


def mirrored(text: str) -> str:
    """The other ECDSA signature that everybody can make of one."""
    r, s = decode_dss_signature(base64.b64decode(text))
    return to_text(encode_dss_signature(r, P256_ORDER - s))


def respaced(scene: Scene) -> None:
    told = json.dumps(scene.statement, indent=1).encode()
    scene.change(lambda bundle: envelope(bundle).update(payload=to_text(told)))


def add_signature(scene: Scene, *, first: bool) -> None:
    bogus = {"sig": to_text(b"0" * 70), "keyid": ""}
    place = 0 if first else 1
    scene.change(lambda bundle: envelope(bundle)["signatures"].insert(place, bogus))


def url_safe(bundle: Json) -> None:
    for where, key in ((envelope(bundle), "payload"), (signature(bundle), "sig")):
        where[key] = where[key].replace("+", "-").replace("/", "_")


def as_blake3(scene: Scene) -> None:
    """Sign BLAKE3 digests that are true."""
    from blake3 import blake3

    def change(statement: Json) -> None:
        predicate(statement)["serialization"]["hash_type"] = "blake3"
        for item in predicate(statement)["resources"]:
            item.update(algorithm="blake3", digest=blake3((scene.model / item["name"]).read_bytes()).hexdigest())

    scene.change_statement(change)


def as_shards(scene: Scene) -> None:
    """Sign shards that are true."""

    def change(statement: Json) -> None:
        predicate(statement)["serialization"].update(method="shards", shard_size=3)
        predicate(statement)["resources"] = [
            {
                "name": f"{item['name']}:{start}:{min(start + 3, len(data))}",
                "algorithm": "sha256",
                "digest": hashlib.sha256(data[start : start + 3]).hexdigest(),
            }
            for item in predicate(statement)["resources"]
            for data in [(scene.model / item["name"]).read_bytes()]
            for start in range(0, len(data), 3)
        ]

    scene.change_statement(change)


def as_shards_of_the_library(scene: Scene) -> None:
    """Sign shards as `model_signing`'s library writes them, whose own reader stumbles over the decimal fraction."""
    as_shards(scene)

    def change(statement: Json) -> None:
        predicate(statement)["serialization"]["shard_size"] = 3.0
        for item in predicate(statement)["resources"]:
            item["algorithm"] = "sha256-sharded-3"

    scene.change_statement(change)


def trust(scene: Scene, key: PrivateKey) -> None:
    scene.key = key.public


def trust_rsa(scene: Scene) -> None:
    public = rsa.generate_private_key(65537, 2048).public_key()
    scene.key_pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def certified(scene: Scene, leaf: Holder | None = None, between: Holder | None = None) -> None:
    """Sign with a chain in which one of its certificates is another."""
    root, usual, usual_leaf = scene.vouched
    scene.certify(root, leaf or usual_leaf, between or usual)


def foreign_root(scene: Scene) -> None:
    certified(scene)
    scene.root = authority("root", end=NOW + YEAR)


def without_authority(scene: Scene) -> None:
    root, _, leaf = scene.vouched
    scene.certify(root, leaf)


def with_root(scene: Scene) -> None:
    root, between, leaf = scene.vouched
    scene.certify(root, leaf, between, root)


def reversed_chain(scene: Scene) -> None:
    root, between, leaf = scene.vouched
    scene.certify(root, between, leaf, signer=leaf.signer)


def another_leaf(scene: Scene) -> None:
    root, between, leaf = scene.vouched
    scene.certify(root, leaf_of(between), between, signer=leaf.signer)


def below_no_authority(scene: Scene) -> None:
    root = scene.vouched[0]
    fake = issue("between", [BasicConstraints(ca=False, path_length=None), SIGNS_DATA], by=root, end=NOW + YEAR)
    certified(scene, leaf_of(fake), fake)


def expired(scene: Scene) -> None:
    certified(scene, leaf_of(scene.vouched[1], end=NOW - YEAR / 12))


def below_expired(scene: Scene) -> None:
    old = authority("between", by=scene.vouched[0], end=NOW - YEAR / 12)
    certified(scene, leaf_of(old), old)


def purposes(scene: Scene, *names: str, extended: str | None = None) -> None:
    extensions = [usage(*names)] if names else []
    if extended:
        oid = getattr(ExtendedKeyUsageOID, extended)
        certified(scene, leaf_of(scene.vouched[1], *extensions, ExtendedKeyUsage([oid])))
    else:
        certified(scene, leaf_of(scene.vouched[1], *extensions))


def alone(scene: Scene) -> None:
    """A leaf that signed itself, and is trusted itself."""
    leaf = issue("alone", [SIGNS_DATA], begin=NOW - YEAR / 4, end=NOW + YEAR)
    scene.certify(leaf, leaf)


def below_trusted_authority(scene: Scene) -> None:
    _, between, leaf = scene.vouched
    scene.certify(between, leaf)


def no_authority_s_root(scene: Scene) -> None:
    root = issue("root", [SIGNS_CERTIFICATES], begin=NOW - YEAR / 4, end=NOW + YEAR)
    scene.certify(root, leaf_of(root))
