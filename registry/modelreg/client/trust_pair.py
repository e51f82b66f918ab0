"""A trust store's file and the next version that is pending beside it: read, signed, and written whole.

Invariants: neither file is ever half-written; neither is replaced if it changed since it was read; a signature is only
ever added to the bytes that it was made over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from modelreg.client.keyring import Keyring, StoredKey
from modelreg.errors import ConflictError, DocumentError, NotFoundError, TrustError, UsageError
from modelreg.files import advice_on, read_bounded, reason_of, replace_file
from modelreg.trust.acceptance import countersign, lacking, read_complete, read_envelope, sign_trust_store
from modelreg.trust.changes import Change, changes
from modelreg.trust.dsse import valid_signers
from modelreg.trust.keys import PublicKey
from modelreg.trust.signer import Signer
from modelreg.trust.trust_store import SIZE_BYTES_MAX, TrustStore

PENDING_SUFFIX = ".pending"
FILE_SIZE_BYTES_MAX = 2 * SIZE_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Awaited:
    """Signatures that a trust store still needs: how many more, and the root keys, as people know them, that can."""

    version: int
    more: int
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SavedTrust:
    """A trust store that was written to ``path``; it is complete where nothing is ``awaited``."""

    path: Path
    store: TrustStore
    signed_by: tuple[str, ...]
    awaited: tuple[Awaited, ...]


@dataclass(frozen=True, slots=True)
class TrustDraft:
    """The next version of a file, not written yet; ``data`` is its envelope where somebody has signed it already.

    ``void`` are the root keys whose signatures on the pending version an edit of it makes worthless.
    """

    file: TrustPair
    store: TrustStore
    data: bytes | None = field(default=None, repr=False)
    void: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """What the next version says otherwise than the one in force."""
        return changes(self.file.current, self.store)

    @property
    def root_keys(self) -> dict[str, PublicKey]:
        """The keys, by id, whose signatures count for it: the roots of the version in force and its own."""
        stores = [self.store] if self.file.current is None else [self.file.current, self.store]
        return {key.id: key for store in stores for key in store.public_keys(store.root.keys)}

    def signing_keys(self, names: Iterable[str] = ()) -> tuple[str, ...]:
        """The names of keys of the keyring that are to sign it: ``names``, or all that are root keys and have not.

        Raises ``UsageError`` for a name that is no root key's, and where there is none.
        """
        keyring, roots, names = self.file.keyring, self.root_keys, tuple(names)
        shown = ", ".join(sorted(map(self.label, roots)))
        for name in names:
            if (own := keyring.get(name)).id not in roots:
                raise UsageError(f"your key {name} ({own.id[:12]}) is no root key of {self.file.path}: {shown}")
        if names:
            return tuple(dict.fromkeys(names))
        done = frozenset() if self.data is None else valid_signers(read_envelope(self.data), roots.values())
        mine = {key.name: key.id for key in keyring.list() if isinstance(key, StoredKey) and key.id in roots}
        found = tuple(name for name, key_id in mine.items() if key_id not in done)
        if not found:
            raise UsageError(
                f"{', '.join(mine)} has signed {self.file.pending_path} already; nothing was changed"
                if mine
                else f"no root key of {self.file.path} is in {keyring.folder}; they are {shown}",
                hint="who keeps another root key has to sign: modelreg trust sign FILE",
            )
        return found

    def save(self, signers: Iterable[Signer]) -> SavedTrust:
        """Sign it and write it: in the place of the file where enough have signed, or beside it, pending.

        Raises ``SigningError``, ``UsageError`` where nobody signs, ``TrustError`` for one that could not follow,
        ``ConflictError`` for a file that changed meanwhile.
        """
        signers = tuple(signers)
        if not signers:
            raise UsageError("a trust store is signed by at least one of its root keys")
        for signer in signers:
            if signer.public.id not in self.root_keys:
                raise UsageError(f"the key {signer.public.id[:12]} is no root key of {self.file.path}")
        data = sign_trust_store(self.store, signers) if self.data is None else countersign(self.data, signers)
        awaited = self._awaited(data)
        path = self.file.write(data, complete=not awaited)
        signed = valid_signers(read_envelope(data), self.root_keys.values())
        return SavedTrust(path, self.store, tuple(sorted(map(self.label, signed))), awaited)

    @property
    def lacking(self) -> tuple[Awaited, ...]:
        """What a draft that somebody has signed still waits for."""
        return () if self.data is None else self._awaited(self.data)

    def _awaited(self, data: bytes) -> tuple[Awaited, ...]:
        return tuple(
            Awaited(gap.version, gap.threshold - len(gap.signed), tuple(sorted(map(self.label, gap.others))))
            for gap in lacking(data, self.file.current)
        )

    def label(self, key_id: str) -> str:
        """The key's name in the next version, or the one that it has now."""
        before = self.file.current
        return self.store.label(key_id) if before is None or self.store.key(key_id) else before.label(key_id)


@dataclass(frozen=True, slots=True)
class TrustPair:
    """``path`` and what it holds: ``current`` is the version in force, ``pending`` the next one, still to be signed."""

    path: Path
    keyring: Keyring
    current: TrustStore | None = None
    pending: TrustStore | None = None
    _bytes: bytes | None = field(default=None, repr=False)
    _pending_bytes: bytes | None = field(default=None, repr=False)

    @property
    def pending_path(self) -> Path:
        return self.path.with_name(self.path.name + PENDING_SUFFIX)

    @classmethod
    def open(cls, path: Path, keyring: Keyring) -> Self:
        """Read ``path`` and what is pending beside it, which may be named as well.

        Raises ``NotFoundError``, ``DocumentError`` and, for a file that its own roots have not signed, ``TrustError``.
        """
        found = cls.at(path, keyring)
        if found.newest is None:
            raise NotFoundError(
                f"there is no trust store {str(found.path)!r}", hint="make one: modelreg trust init -o FILE --root KEY"
            )
        return found

    @classmethod
    def at(cls, path: Path, keyring: Keyring) -> Self:
        """The same, where maybe nothing is there yet."""
        path = path.with_name(path.name.removesuffix(PENDING_SUFFIX)) if path.name else path
        path = Path(os.path.realpath(path)) if path.is_symlink() else path
        pending_path = path.with_name(path.name + PENDING_SUFFIX)
        data, pending_data = read_if_there(path), read_if_there(pending_path)
        with _named(path):
            current = None if data is None else read_complete(data)
        with _named(pending_path):
            pending = None if pending_data is None else TrustStore.parse(read_envelope(pending_data).payload)
        if pending == current:  # it was completed, and the machine stopped before it was removed
            pending = None
        return cls(path, keyring, current, pending, data, pending_data)

    @property
    def newest(self) -> TrustStore | None:
        """The version that the next edit starts from."""
        return self.pending or self.current

    @property
    def awaited(self) -> TrustDraft | None:
        """What is pending, to be shown or signed.

        Raises ``NotFoundError`` where the version before is not beside it, ``ConflictError`` where it is overtaken.
        """
        if self.pending is None:
            return None
        before = 0 if self.current is None else self.current.version
        if self.pending.version <= before:
            raise ConflictError(
                f"{self.pending_path} holds version {self.pending.version}, and {self.path} is at version {before}",
                hint=f"it was overtaken: rm {self.pending_path}, and make the change again",
            )
        if self.pending.version != before + 1:
            raise NotFoundError(
                f"{self.pending_path} holds version {self.pending.version}; version {self.pending.version - 1}, whose "
                f"root keys must have signed it, belongs beside it in {self.path}",
                hint="get both files",
            )
        return TrustDraft(self, self.pending, self._pending_bytes)

    def write(self, data: bytes, *, complete: bool) -> Path:
        """Make ``data`` the file, or what is pending; raises ``ConflictError`` if either changed since it was read."""
        path = self.path if complete else self.pending_path
        try:
            with _locked(self.path.parent):
                if (read_if_there(self.path), read_if_there(self.pending_path)) != (self._bytes, self._pending_bytes):
                    raise ConflictError(
                        f"{self.path} was changed by somebody else; nothing was written", hint="try again"
                    )
                replace_file(path, data)
                if complete:
                    self.pending_path.unlink(missing_ok=True)
        except OSError as error:
            hint = advice_on(error, "name another folder")
            raise UsageError(f"the trust store {path} cannot be written: {reason_of(error)}", hint=hint) from None
        return path


def read_if_there(path: Path) -> bytes | None:
    """The bytes of the trust store at ``path``; ``None`` where nothing is.  Raises ``DocumentError``."""
    try:
        return read_bounded(path, FILE_SIZE_BYTES_MAX, "trust store")
    except NotFoundError:
        return None


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """What is wrong with a trust store, told with the name of its file."""
    try:
        yield
    except (DocumentError, TrustError) as error:
        raise type(error)(f"{path}: {error.message}", hint=error.hint) from None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Alone among those who write trust stores in ``folder``."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
