"""What the log says of a statement: of which kind it is, its digest, and whose signatures it had when it was logged.

The leaf names the payload and never the envelope around it: of an ECDSA signature there is always a second valid form.
The tree is built of the leaf's exact bytes, which may say more than this release understands; hash those, not what was
parsed.
"""

from __future__ import annotations

import enum
import functools
import re
from dataclasses import dataclass, field

from modelreg.digest import is_sha256
from modelreg.errors import DocumentError
from modelreg.records import canonical_json, from_json, json_key, parse_json, to_json

LEAF_SIZE_BYTES_MAX = 8 * 1024
"""Sixty-four signers make 4.4 kB."""
SIGNERS_MAX = 64

_KIND = re.compile(r"[a-z][a-z-]{0,31}", re.ASCII)


class LeafKind(enum.StrEnum):
    """The kinds of statements that this release logs."""

    MANIFEST = "manifest"
    POINTER = "pointer"
    WITHDRAWAL = "withdrawal"
    TRUST = "trust"


@dataclass(frozen=True, slots=True)
class LogLeaf:
    """One entry of the log.  Raises ``DocumentError``.

    ``kind`` is one of ``LeafKind`` or of a later release; ``signer_key_ids`` are those of the keys whose signatures
    were checked when the entry was made, sorted.  Only they count as logged: a signature that comes later is logged by
    an entry of its own, or a stolen key could sign what lies before its revocation.
    """

    kind: str
    payload_sha256: str = field(metadata=json_key("payloadSha256"))
    signer_key_ids: tuple[str, ...] = field(metadata=json_key("signerKeyIds"))

    def __post_init__(self) -> None:
        if not _KIND.fullmatch(self.kind):
            raise DocumentError(f"{self.kind[:80]!r} is no kind of a log entry")
        if not is_sha256(self.payload_sha256) or not all(map(is_sha256, self.signer_key_ids)):
            raise DocumentError("a log entry names its payload and its signers by 64 lowercase hex digits")
        if len(self.signer_key_ids) > SIGNERS_MAX or list(self.signer_key_ids) != sorted(set(self.signer_key_ids)):
            raise DocumentError(f"a log entry names at most {SIGNERS_MAX} signers, each once and in order")

    @classmethod
    def parse(cls, data: bytes) -> LogLeaf:
        """Parse the bytes of an entry; raises ``DocumentError`` also where they are not canonical."""
        return _parse(data)

    def to_bytes(self) -> bytes:
        return canonical_json(to_json(self))


@functools.lru_cache(maxsize=4096)
def _parse(data: bytes) -> LogLeaf:
    """Whoever reads a log through asks several times what one entry says."""
    what = "the log entry"
    value = parse_json(data, what=what, size_bytes_max=LEAF_SIZE_BYTES_MAX)
    if canonical_json(value) != data:
        raise DocumentError("the log entry is not in canonical form")
    return from_json(LogLeaf, value, what=what)
