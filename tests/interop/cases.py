"""Each way to tamper with a signed model, our verdict on it and the public tool's, and why where they differ.

``python -m tests.interop.cases`` prints the table of ``docs/signing-interop.md``.  Longer than 400 lines, for the
table is one thing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from tests.interop.scene import Scene, to_text
from tests.interop.tampering import (
    add_signature,
    alone,
    another_leaf,
    as_blake3,
    as_shards,
    as_shards_of_the_library,
    below_expired,
    below_no_authority,
    below_trusted_authority,
    certified,
    envelope,
    expired,
    flip,
    foreign_root,
    link,
    material,
    mirrored,
    no_authority_s_root,
    planted_where_ignored,
    predicate,
    purposes,
    resource,
    respaced,
    reversed_chain,
    signature,
    swap_contents,
    trust,
    trust_rsa,
    url_safe,
    with_root,
    without_authority,
    write,
)

from modelreg.trust.keys import Algorithm, PrivateKey


@dataclass(frozen=True)
class Case:
    """One thing that is done to a signed model; the verdicts are whether it still verifies."""

    group: str
    name: str
    do: Callable[[Scene], object]
    ours: bool
    theirs: bool
    why: str = ""


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
        "files in shards as its library signs them",
        as_shards_of_the_library,
        True,
        False,
        "as above; its library does not verify them either, for it reads the size as a fraction",
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
