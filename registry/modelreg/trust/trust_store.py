"""The trust store: the client's own document of who may sign what, and the only reason why any key is believed.

It is canonical JSON in a DSSE envelope that a threshold of its root keys has signed.  ``acceptance`` says when one
document may follow another, ``decision`` what it means for a version, ``editing`` how the next one is made.

Invariants, held by ``TrustStore`` however it was made:

* keys have one id and one name each, and their PEM text is the one of that id;
* roots, roles and revocations name keys; roots and roles only keys that the document holds;
* a root key is not revoked: it is rotated out first, so that nobody counts it;
* at most one role of a pattern is in force at any log index.

A document has one byte string.  One that would be written otherwise, or holds a key that this reader does not know, is
refused: what is ignored could be what forbids.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from modelreg.digest import is_sha256, sha256_hex
from modelreg.errors import DocumentError
from modelreg.manifest import check_timestamp
from modelreg.records import canonical_json, from_json, parse_json, to_json
from modelreg.refs import VERSION_MAX
from modelreg.trust.keys import PublicKey
from modelreg.trust.roles import Revocation, Role, check_threshold, check_windows

TRUST_STORE_TYPE = "urn:modelreg:trust-store:v1"
PAYLOAD_TYPE = "application/vnd.modelreg.trust-store+json"
"""The DSSE payload type: no signature over a manifest or a statement can pass as one over a trust store."""

SIZE_BYTES_MAX = 1024 * 1024
KEYS_MAX = 1_000
ROLES_MAX = 1_000
REVOCATIONS_MAX = 1_000
REGISTRIES_MAX = 100
WITNESSES_MAX = 64
NAME_LENGTH_MAX = 64
KEY_ID_SHOWN = 12
"""How much of a key's id is shown beside its name."""

_REGISTRY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}", re.ASCII)
_VKEY = re.compile(r"[!-*,-~]{1,255}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{4,255}={0,2}", re.ASCII)


class Enforcement(enum.StrEnum):
    """What becomes of a version whose signatures are not what the roles ask for."""

    OFF = "off"
    WARN = "warn"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key and the name that the roots gave it; ``str()`` shows both."""

    id: str
    name: str
    pem: str

    def __post_init__(self) -> None:
        check_key_name(self.name)
        public = PublicKey.from_pem(self.pem.encode("utf-8", "replace"))
        if public.id != self.id or public.pem != self.pem:
            raise DocumentError(f"the key {self.name!r} is given the id {self.id[:80]!r}, but is {public.id}")

    def __str__(self) -> str:
        return f"{self.name} ({self.id[:KEY_ID_SHOWN]})"

    @classmethod
    def of(cls, name: str, public: PublicKey) -> TrustedKey:
        """The entry of ``public`` under ``name``; raises ``DocumentError`` for a name that none can have."""
        return cls(public.id, unicodedata.normalize("NFC", name), public.pem)

    @property
    def public(self) -> PublicKey:
        return PublicKey.from_pem(self.pem.encode("ascii"))


def check_key_name(name: str) -> None:
    """Raise ``DocumentError`` unless ``name`` can be shown as a key's name, and is not taken for an id."""
    is_shown = name.isprintable() and name == name.strip() and unicodedata.normalize("NFC", name) == name
    if not 1 <= len(name) <= NAME_LENGTH_MAX or not is_shown or is_sha256(name):
        raise DocumentError(f"{name[:80]!r} cannot be a key's name: 1 to {NAME_LENGTH_MAX} printable characters")


@dataclass(frozen=True, slots=True)
class Roots:
    """The keys that sign trust stores, sorted by id, and how many it takes."""

    keys: tuple[str, ...]
    threshold: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(sorted(self.keys)))
        check_threshold(self.keys, self.threshold, "the trust store's root")

    @property
    def fingerprint(self) -> str:
        """What a first acceptance is pinned to: the same for all versions with these roots."""
        return sha256_hex(canonical_json(to_json(self)))


@dataclass(frozen=True, slots=True)
class TrustedRegistry:
    """A registry whose versions may be taken, and the key (C2SP vkey) of its transparency log if it has one."""

    id: str
    log: str | None = None

    def __post_init__(self) -> None:
        if not _REGISTRY.fullmatch(self.id):
            raise DocumentError(f"{self.id[:80]!r} is not the id of a registry")
        if self.log is not None:
            check_vkey(self.log)


@dataclass(frozen=True, slots=True)
class Witnesses:
    """``quorum`` of the witnesses with these keys (C2SP vkeys, sorted) must have signed a checkpoint."""

    keys: tuple[str, ...] = ()
    quorum: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(sorted(self.keys)))
        for key in self.keys:
            check_vkey(key)
        if len(set(self.keys)) != len(self.keys) or len(self.keys) > WITNESSES_MAX:
            raise DocumentError(f"{len(self.keys)} witnesses are named: up to {WITNESSES_MAX} distinct ones can be")
        if not 0 <= self.quorum <= len(self.keys):
            raise DocumentError(f"{self.quorum} of {len(self.keys)} witnesses cannot be asked for")


def check_vkey(text: str) -> None:
    """Raise ``DocumentError`` unless ``text`` looks like ``name+hash+key`` (C2SP signed-note)."""
    if not _VKEY.fullmatch(text):
        raise DocumentError(f"{text[:80]!r} is not the key of a log or a witness: name+hash+key")


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The document; ``expires_at`` is UTC, ``YYYY-MM-DDThh:mm:ssZ``, and every list is kept sorted.

    With no ``registries`` a version of any registry may be taken.
    """

    version: int
    expires_at: str
    mode: Enforcement
    root: Roots
    keys: tuple[TrustedKey, ...]
    roles: tuple[Role, ...] = ()
    revocations: tuple[Revocation, ...] = ()
    registries: tuple[TrustedRegistry, ...] = ()
    witnesses: Witnesses = field(default_factory=Witnesses)
    type: str = TRUST_STORE_TYPE

    def __post_init__(self) -> None:
        if self.type != TRUST_STORE_TYPE:
            raise DocumentError(f"a trust store of type {self.type[:80]!r} cannot be made: {TRUST_STORE_TYPE}")
        if not 1 <= self.version <= VERSION_MAX:
            raise DocumentError(f"{self.version} is not a version of a trust store: 1, 2, 3 ...")
        check_timestamp(self.expires_at)
        self._sort()
        self._check_lists()
        self._check_keys()
        check_windows(self.roles)

    def _sort(self) -> None:
        object.__setattr__(self, "keys", tuple(sorted(self.keys, key=lambda key: key.id)))
        object.__setattr__(self, "roles", tuple(sorted(self.roles, key=lambda role: (role.pattern, role.from_index))))
        object.__setattr__(self, "revocations", tuple(sorted(self.revocations, key=lambda item: item.key)))
        object.__setattr__(self, "registries", tuple(sorted(self.registries, key=lambda item: item.id)))

    def _check_lists(self) -> None:
        for what, entries, most in (
            ("keys", self.keys, KEYS_MAX),
            ("roles", self.roles, ROLES_MAX),
            ("revocations", self.revocations, REVOCATIONS_MAX),
            ("registries", self.registries, REGISTRIES_MAX),
        ):
            if len(entries) > most:
                raise DocumentError(f"a trust store holds up to {most:,} {what}, not {len(entries):,}")
        for what, names in (
            ("keys of one id", [key.id for key in self.keys]),
            ("keys of one name", [key.name for key in self.keys]),
            ("revocations of one key", [item.key for item in self.revocations]),
            ("registries of one id", [item.id for item in self.registries]),
        ):
            if len(set(names)) != len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise DocumentError(f"the trust store holds two {what}: {twice}")

    def _check_keys(self) -> None:
        known = {key.id for key in self.keys}
        users = [("the root", self.root.keys), *((f"the role {role.pattern}", role.keys) for role in self.roles)]
        for what, keys in users:
            for key in keys:
                if key not in known:
                    raise DocumentError(
                        f"{what} names the key {key[:KEY_ID_SHOWN]}, which the trust store does not hold"
                    )
        for revocation in self.revocations:
            if revocation.key in self.root.keys:
                raise DocumentError(
                    f"the root key {self.label(revocation.key)} is revoked; a root key is rotated out first"
                )

    @classmethod
    def parse(cls, payload: bytes) -> TrustStore:
        """Read the document that an envelope carries; raises ``DocumentError``.  Nothing is verified."""
        value = parse_json(payload, what="the trust store", size_bytes_max=SIZE_BYTES_MAX)
        found = value.get("type") if isinstance(value, dict) else None
        if found != TRUST_STORE_TYPE:
            raise DocumentError(
                f"the trust store is of type {str(found)[:80]!r}; this modelreg reads {TRUST_STORE_TYPE}",
                hint="upgrade modelreg",
            )
        store = from_json(cls, value, what="the trust store")
        if store.to_bytes() != payload:
            raise DocumentError(
                "the trust store is not in its one form, or says something that this modelreg does not understand",
                hint="upgrade modelreg",
            )
        return store

    def to_bytes(self) -> bytes:
        """The one byte string of this document."""
        return canonical_json(to_json(self))

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the document's bytes."""
        return sha256_hex(self.to_bytes())

    def key(self, key_id: str) -> TrustedKey | None:
        """The key of that id, if the document holds it."""
        return next((key for key in self.keys if key.id == key_id), None)

    def label(self, key_id: str) -> str:
        """How a key is named to people: its name and the first digits of its id, or those alone."""
        key = self.key(key_id)
        return str(key) if key else key_id[:KEY_ID_SHOWN]

    def public_keys(self, key_ids: Iterable[str] | None = None) -> tuple[PublicKey, ...]:
        """The keys of those ids as far as the document holds them, or all: what ``dsse.valid_signers`` is to try."""
        wanted = None if key_ids is None else set(key_ids)
        return tuple(key.public for key in self.keys if wanted is None or key.id in wanted)

    def revocation(self, key_id: str) -> Revocation | None:
        """The revocation of that key, if there is one."""
        return next((item for item in self.revocations if item.key == key_id), None)

    def serves(self, registry: str) -> bool:
        """Whether a version of the registry with that id may be taken."""
        return not self.registries or any(item.id == registry for item in self.registries)
