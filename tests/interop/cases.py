"""What can be done to a signed model, our verdict on it and the public tool's, and why where they differ.

``python -m tests.interop.cases`` prints the table of ``docs/signing-interop.md``.  Longer than 400 lines, for the
table is one thing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import BasicConstraints, ExtendedKeyUsage
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.interop.scene import NOW, YEAR, Json, Scene, leaf_of, to_text
from tests.unit.trust.authority import SIGNS_CERTIFICATES, SIGNS_DATA, Holder, authority, issue, usage

from modelreg.trust.keys import Algorithm, PrivateKey

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True)
class Case:
    """One thing that is done to a signed model; the verdicts are whether it still verifies."""

    group: str
    name: str
    do: Callable[[Scene], object]
    ours: bool
    theirs: bool
    why: str = ""


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


CASES = (
    Case("files", "nothing", lambda s: None, True, True),
    Case("files", "a byte changed", lambda s: write(s, "model.h5", b"hullo"), False, False),
    Case("files", "a file emptied", lambda s: write(s, "model.h5", b""), False, False),
    Case("files", "a byte behind the end", lambda s: write(s, "model.h5", b"hello\0"), False, False),
    Case("files", "a file removed", lambda s: (s.model / "model.h5").unlink(), False, False),
    Case("files", "a file added", lambda s: write(s, "new.txt"), False, False),
    Case("files", "an empty file added", lambda s: write(s, "__init__.py", b""), False, False),
    Case("files", "a file renamed", lambda s: (s.model / "model.h5").rename(s.model / "m.h5"), False, False),
    Case("files", "two files' contents exchanged", swap_contents, False, False),
    Case(
        "files",
        "a file moved into a folder",
        lambda s: (s.model / "model.h5").rename(s.model / "sub/model.h5"),
        False,
        False,
    ),
    Case("files", "a file replaced by a link to the same bytes", link, False, False),
    Case("files", "a pipe added", lambda s: os.mkfifo(s.model / "pipe"), False, False),
    Case("files", "an empty folder added", lambda s: (s.model / "empty").mkdir(), True, True),
    Case(
        "files",
        "`.git/hooks/post-checkout` added",
        lambda s: write(s, ".git/hooks/post-checkout"),
        False,
        True,
        "nothing is left out: a file that nobody signed is told",
    ),
    Case(
        "files",
        "`.git/hooks/post-checkout` added, `.git` signed as ignored",
        planted_where_ignored,
        False,
        True,
        "as above",
    ),
    Case(
        "bundle",
        "another media type",
        lambda s: s.change(lambda b: b.update(mediaType=b["mediaType"].replace("0.3", "0.2"))),
        False,
        False,
    ),
    Case("bundle", "no media type", lambda s: s.change(lambda b: b.pop("mediaType")), False, False),
    Case("bundle", "a fourth key", lambda s: s.change(lambda b: b.update(extra=1)), False, False),
    Case(
        "bundle",
        "another key in the verification material",
        lambda s: s.change(lambda b: material(b).update(extra=1)),
        False,
        False,
    ),
    Case(
        "bundle", "another key in the envelope", lambda s: s.change(lambda b: envelope(b).update(extra=1)), False, False
    ),
    Case(
        "bundle",
        "another key in the signature",
        lambda s: s.change(lambda b: signature(b).update(extra=1)),
        False,
        False,
    ),
    Case("bundle", "no `tlogEntries`", lambda s: s.change(lambda b: material(b).pop("tlogEntries")), True, True),
    Case("bundle", "no key material", lambda s: s.change(lambda b: material(b).pop("publicKey")), False, False),
    Case(
        "bundle",
        "the hint of another key",
        lambda s: s.change(lambda b: material(b)["publicKey"].update(hint="0" * 64)),
        False,
        False,
    ),
    Case("bundle", "no hint", lambda s: s.change(lambda b: material(b)["publicKey"].pop("hint")), True, True),
    Case(
        "bundle",
        "`rawBytes` for a hint",
        lambda s: s.change(lambda b: material(b).update(publicKey={"rawBytes": "AA==", "keyDetails": "x"})),
        True,
        True,
    ),
    Case(
        "bundle",
        "another payload type",
        lambda s: s.change(lambda b: envelope(b).update(payloadType="text/plain")),
        False,
        False,
    ),
    Case(
        "bundle",
        "another payload type, signed",
        lambda s: s.sign_payload(json.dumps(s.statement).encode(), "text/plain"),
        False,
        False,
    ),
    Case(
        "bundle",
        "a bit of the payload changed",
        lambda s: s.change(lambda b: envelope(b).update(payload=flip(envelope(b)["payload"], 20))),
        False,
        False,
    ),
    Case("bundle", "the payload's JSON laid out anew", respaced, False, False),
    Case(
        "bundle",
        "a bit of the signature changed",
        lambda s: s.change(lambda b: signature(b).update(sig=flip(signature(b)["sig"], 20))),
        False,
        False,
    ),
    Case(
        "bundle",
        "a signature of zeros",
        lambda s: s.change(lambda b: signature(b).update(sig=to_text(b"\0" * 70))),
        False,
        False,
    ),
    Case(
        "bundle",
        "the mirrored signature (s negated)",
        lambda s: s.change(lambda b: signature(b).update(sig=mirrored(signature(b)["sig"]))),
        True,
        True,
    ),
    Case("bundle", "no signature", lambda s: s.change(lambda b: envelope(b).update(signatures=[])), False, False),
    Case("bundle", "a bogus signature first", lambda s: add_signature(s, first=True), False, False),
    Case(
        "bundle",
        "a bogus signature second",
        lambda s: add_signature(s, first=False),
        False,
        True,
        "a bundle has exactly one signature (Sigstore's bundle.proto)",
    ),
    Case(
        "bundle", "a foreign `keyid`", lambda s: s.change(lambda b: signature(b).update(keyid="somebody")), True, True
    ),
    Case("bundle", "`keyid` null", lambda s: s.change(lambda b: signature(b).update(keyid=None)), True, True),
    Case("bundle", "no `keyid`", lambda s: s.change(lambda b: signature(b).pop("keyid")), True, True),
    Case(
        "bundle",
        "URL-safe base64",
        lambda s: s.change(url_safe),
        True,
        False,
        "DSSE 1.0.2: verifiers take both alphabets",
    ),
    Case(
        "bundle",
        "base64 with a line break",
        lambda s: s.change(lambda b: signature(b).update(sig=signature(b)["sig"] + "\n")),
        False,
        True,
        "base64 has one form (RFC 4648, 3.1)",
    ),
    Case(
        "bundle",
        "a key that stands twice",
        lambda s: setattr(s, "bundle", s.bundle.replace(b'"mediaType"', b'"mediaType":"x","mediaType"', 1)),
        False,
        True,
        "a document that two readers could read in two ways is none",
    ),
    Case("bundle", "a byte order mark", lambda s: setattr(s, "bundle", b"\xef\xbb\xbf" + s.bundle), False, False),
    Case("bundle", "cut in half", lambda s: setattr(s, "bundle", s.bundle[: len(s.bundle) // 2]), False, False),
    Case("bundle", "empty", lambda s: setattr(s, "bundle", b""), False, False),
    Case(
        "statement",
        "the root digest wrong",
        lambda s: s.change_statement(lambda t: t["subject"][0]["digest"].update(sha256="0" * 64), keep_root=True),
        False,
        False,
    ),
    Case(
        "statement",
        "resources in another order",
        lambda s: s.change_statement(lambda t: predicate(t)["resources"].reverse()),
        True,
        True,
    ),
    Case(
        "statement",
        "a resource twice",
        lambda s: s.change_statement(lambda t: predicate(t)["resources"].append(resource(t))),
        False,
        True,
        "each name once, or two digests could stand under one",
    ),
    Case(
        "statement",
        "a resource left out",
        lambda s: s.change_statement(lambda t: predicate(t)["resources"].pop()),
        False,
        False,
    ),
    Case(
        "statement",
        "no resources",
        lambda s: s.change_statement(lambda t: predicate(t).update(resources=[])),
        False,
        False,
    ),
    Case(
        "statement",
        "a resource named `./model.h5`",
        lambda s: s.change_statement(lambda t: resource(t).update(name="./model.h5")),
        False,
        True,
        "names are compared byte by byte; signers write them in one form (6.1.2)",
    ),
    Case(
        "statement",
        "a resource named `/model.h5`",
        lambda s: s.change_statement(lambda t: resource(t).update(name="/model.h5")),
        False,
        False,
    ),
    Case(
        "statement",
        "a resource with annotations",
        lambda s: s.change_statement(lambda t: resource(t).update(annotations={"a": "b"})),
        True,
        True,
    ),
    Case(
        "statement",
        "another key in the predicate",
        lambda s: s.change_statement(lambda t: predicate(t).update(later={})),
        True,
        True,
    ),
    Case(
        "statement",
        "a digest in capitals",
        lambda s: s.change_statement(lambda t: resource(t).update(digest=resource(t)["digest"].upper())),
        False,
        True,
        "digests are lowercase (6.3.1)",
    ),
    Case(
        "statement",
        "another `_type`",
        lambda s: s.change_statement(lambda t: t.update(_type="https://in-toto.io/Statement/v0.1")),
        False,
        False,
    ),
    Case(
        "statement",
        "another predicate type",
        lambda s: s.change_statement(lambda t: t.update(predicateType="https://slsa.dev/provenance/v1")),
        False,
        False,
    ),
    Case(
        "statement",
        "two subjects",
        lambda s: s.change_statement(lambda t: t["subject"].append(t["subject"][0])),
        False,
        False,
    ),
    Case(
        "statement",
        "a subject of another name",
        lambda s: s.change_statement(lambda t: t["subject"][0].update(name="other")),
        True,
        True,
    ),
    Case(
        "statement",
        "links allowed",
        lambda s: s.change_statement(lambda t: predicate(t)["serialization"].update(allow_symlinks=True)),
        True,
        True,
    ),
    Case("statement", "files hashed with blake3", as_blake3, False, False),
    Case(
        "statement",
        "files in shards",
        as_shards,
        True,
        False,
        "its command line hashes whole files, whatever was signed",
    ),
    Case(
        "statement",
        "an unknown method",
        lambda s: s.change_statement(lambda t: predicate(t)["serialization"].update(method="x")),
        False,
        False,
    ),
    Case(
        "statement",
        "a decimal fraction",
        lambda s: s.change_statement(lambda t: resource(t).update(annotations={"a": 1.5})),
        False,
        True,
        "our documents hold no floats",
    ),
    Case("statement", "no statement but a list", lambda s: s.sign_payload(b"[]"), False, False),
    Case("key", "another key", lambda s: trust(s, PrivateKey.generate()), False, False),
    Case("key", "a key on another curve", lambda s: trust(s, PrivateKey.generate(Algorithm.ECDSA_P384)), False, False),
    Case("key", "an Ed25519 key", lambda s: trust(s, PrivateKey.generate(Algorithm.ED25519)), False, False),
    Case("key", "an RSA key", trust_rsa, False, False),
    Case("certificate", "nothing", certified, True, True),
    Case("certificate", "the root in the chain too", with_root, True, True),
    Case("certificate", "a foreign root of the same name", foreign_root, False, False),
    Case("certificate", "the authority left out", without_authority, False, False),
    Case("certificate", "the chain the wrong way round", reversed_chain, False, False),
    Case("certificate", "another leaf of the same authority", another_leaf, False, False),
    Case("certificate", "a leaf below what is no authority", below_no_authority, False, False),
    Case(
        "certificate",
        "a root that is no authority",
        no_authority_s_root,
        False,
        True,
        "RFC 5280, 4.2.1.9: an authority says that it is one",
    ),
    Case(
        "certificate",
        "an expired leaf",
        expired,
        False,
        True,
        "chains are verified at the time that the caller gives, not when the leaf began",
    ),
    Case("certificate", "an authority that has expired since", below_expired, False, True, "as above"),
    Case(
        "certificate",
        "a leaf for signatures and code",
        lambda s: purposes(s, "digital_signature", extended="CODE_SIGNING"),
        True,
        True,
    ),
    Case("certificate", "a leaf for certificates only", lambda s: purposes(s, "key_cert_sign"), False, False),
    Case(
        "certificate",
        "a web server's leaf",
        lambda s: purposes(s, "digital_signature", extended="SERVER_AUTH"),
        False,
        True,
        "RFC 5280, 4.2.1.12: a key is for what its extendedKeyUsage says, and nothing else",
    ),
    Case("certificate", "a leaf that signed itself, trusted", alone, True, True),
    Case(
        "certificate",
        "an authority below the root, trusted",
        below_trusted_authority,
        True,
        False,
        "whoever trusts an authority need not trust its root",
    ),
)


def table() -> str:
    """The cases as Markdown."""
    words = {True: "accepted", False: "refused"}
    lines = ["| of | what is done | modelreg | model_signing 1.1.1 | why they differ |", "|---|---|---|---|---|"]
    lines += [
        f"| {case.group} | {case.name} | {words[case.ours]} | {words[case.theirs]} | {case.why} |" for case in CASES
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
