"""Random and bent bytes into every parser of ``trust``: a value comes back or a typed error, or this ends with 1.

One entry a parser: how it is called, and good bytes to bend.  ``--count`` inputs go into each, half of them bent good
ones and half random.  ``python tools/fuzz_trust.py --count 100000 --seed 1``.
"""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from modelreg.errors import ModelregError
from modelreg.refs import parse_reference
from modelreg.trust import dsse, editing, oms, statements
from modelreg.trust.acceptance import read_envelope, sign_trust_store
from modelreg.trust.certificates import Certificate, verify_chain
from modelreg.trust.checkpoint import Checkpoint, Fork, open_checkpoint
from modelreg.trust.keyfile import Cost, KeyFile, protect
from modelreg.trust.keys import PrivateKey, PublicKey
from modelreg.trust.leaf import LeafKind, LogLeaf
from modelreg.trust.lock import Lock, LockedVersion
from modelreg.trust.merkle import leaf_hash
from modelreg.trust.note import Note, NoteSigner, SignatureType, VerifierKey
from modelreg.trust.oms_statement import Statement, statement_of
from modelreg.trust.proof import LogProof, open_proof
from modelreg.trust.record import LogRecord
from modelreg.trust.roles import parse_pattern
from modelreg.trust.trust_store import TrustStore


@dataclass(frozen=True)
class Parser:
    """A parser and what it reads."""

    name: str
    read: Callable[[bytes], object]
    good: Sequence[bytes]


NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
KEY = PrivateKey(ec.derive_private_key(7, ec.SECP256R1()))
STATEMENT = statement_of(
    [("model.h5", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")], name="demo"
)
BUNDLE = oms.sign(STATEMENT, KEY)


def _certificate() -> bytes:
    key = ec.derive_private_key(7, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW.replace(year=2027))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


CERTIFICATE = _certificate()

LOG = NoteSigner("log.example/demo", PrivateKey(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))))
LOG_KEY = LOG.key(SignatureType.ED25519)
LEAF = LogLeaf(LeafKind.MANIFEST, "0" * 64, (KEY.public.id,)).to_bytes()
NOTE = Checkpoint(LOG.name, 1, leaf_hash(LEAF)).sign(LOG)
CHECKPOINT = open_checkpoint(NOTE.to_bytes(), [LOG_KEY])
PROOF = LogProof(LEAF, 0, (), NOTE)
TRUST_STORE = editing.init({"ada": KEY.public}, 1, "2027-01-01T00:00:00Z")
POINTER = statements.Pointer(
    "demo", "fraud", "production", statements.Target(1, "0" * 64), 1, None, "reviewed", "ada", "2026-11-28T08:00:00Z"
)

RECORD = LogRecord.make(LOG.name, 0, [LEAF], NOTE.to_bytes(), None)
LOCK = Lock("demo", {"fraud": LockedVersion("fraud@production", 8, "0" * 64, (KEY.public.id,), 41)}).holding({}, NOTE)


def _read_bundle(data: bytes) -> None:
    oms.Bundle.parse(data).verify_with_keys([KEY.public])


def _read_chain(data: bytes) -> None:
    verify_chain([data], [Certificate.from_der(CERTIFICATE)], NOW)


def _read_proof(data: bytes) -> None:
    open_proof(data, "0" * 64, [LOG_KEY])


def _of_text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(data.decode("utf-8", "surrogateescape"))


PARSERS = (
    Parser("public key", PublicKey.from_pem, [KEY.public.pem.encode()]),
    Parser("public key, DER", PublicKey.from_der, [KEY.public.der]),
    Parser("private key", PrivateKey.from_pem, [KEY.to_pem()]),
    Parser("private key, DER", PrivateKey.from_der, [KEY.to_der()]),
    Parser("key file", KeyFile.parse, [protect(KEY, "p", Cost(8, 1, 1))]),
    Parser("envelope", dsse.Envelope.parse, [BUNDLE.envelope.to_bytes()]),
    Parser("bundle", _read_bundle, [BUNDLE.to_bytes()]),
    Parser("statement", Statement.parse, [STATEMENT.to_bytes()]),
    Parser("certificate", _read_chain, [CERTIFICATE]),
    Parser("note", Note.parse, [NOTE.to_bytes()]),
    Parser("checkpoint", lambda data: open_checkpoint(data, [LOG_KEY]), [NOTE.to_bytes()]),
    Parser("key of a log", _of_text(VerifierKey.parse), [str(LOG_KEY).encode()]),
    Parser("log entry", LogLeaf.parse, [LEAF]),
    Parser("log proof", _read_proof, [PROOF.to_bytes()]),
    Parser("evidence of a fork", Fork.parse, [Fork.of(CHECKPOINT, CHECKPOINT, [bytes(32)]).to_bytes()]),
    Parser("log record", LogRecord.parse, [RECORD.to_bytes()]),
    Parser("lock file", Lock.parse, [LOCK.to_bytes()]),
    Parser("trust store", TrustStore.parse, [TRUST_STORE.to_bytes()]),
    Parser("signed trust store", read_envelope, [sign_trust_store(TRUST_STORE, [KEY])]),
    Parser("role pattern", _of_text(parse_pattern), [b"team/**", b"team/*", b"*", b"team/fraud"]),
    Parser("reference", _of_text(parse_reference), [b"team/fraud:3", b"fraud@production", b"f@sha256:" + b"0" * 64]),
    Parser("pointer", statements.parse_statement, [statements.statement_bytes(POINTER)]),
)


def bent(good: bytes, source: random.Random) -> bytes:
    """``good`` with a few bytes changed, taken out, put in, or cut off."""
    data = bytearray(good)
    for _ in range(source.randint(1, 4)):
        place = source.randrange(len(data) + 1)
        match source.randrange(4):
            case 0:
                data[place : place + 1] = bytes([source.randrange(256)])
            case 1:
                del data[place : place + source.randint(1, 8)]
            case 2:
                data[place:place] = source.choice([b"[", b"{", b'"', b"\0", b"9" * 20, b"\\ud800", source.randbytes(3)])
            case _:
                data[place : place + 4] = data[: source.randint(0, 8)]
    return bytes(data)


def fuzz(parser: Parser, count: int, seed: int) -> collections.Counter[str]:
    """How often each outcome came; whatever is no typed error is raised, with the input."""
    source = random.Random(f"{seed} {parser.name}")
    outcomes: collections.Counter[str] = collections.Counter()
    for index in range(count):
        data = bent(source.choice(parser.good), source) if index % 2 else source.randbytes(source.randint(0, 200))
        try:
            parser.read(data)
            outcomes["read"] += 1
        except ModelregError as error:
            outcomes[type(error).__name__] += 1
        except BaseException as error:
            error.add_note(f"{parser.name}, input {index} of seed {seed}: {data.hex()}")
            raise
    return outcomes


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=10_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", nargs="*", metavar="PARSER", help="these, by the names that are printed")
    given = arguments.parse_args()
    for parser in PARSERS:
        if given.only and parser.name not in given.only:
            continue
        begin = time.monotonic()
        outcomes = fuzz(parser, given.count, given.seed)
        told = ", ".join(f"{name} {number:,}" for name, number in sorted(outcomes.items()))
        print(f"{parser.name}: {given.count:,} inputs in {time.monotonic() - begin:.0f} s: {told}")


if __name__ == "__main__":
    main()
