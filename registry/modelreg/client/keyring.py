"""The user's keys: one private file each, in a private folder beside the user's configuration.

Invariants:

* ``NAME.key`` holds the key ``NAME``; the folder has the mode 0700 and each file 0600, or nothing is read or written.
* No key is ever written over; a changed passphrase replaces the whole file or leaves it as it was.
* Nothing here returns or shows a private key or a passphrase but ``unlock`` and ``private_pem``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelreg.config import Settings, load_settings
from modelreg.config.values import DEFAULT_KEY
from modelreg.errors import ConflictError, ModelregError, NotFoundError, SigningError, UsageError
from modelreg.files import reason_of
from modelreg.refs import parse_key_name
from modelreg.trust.keyfile import KeyFile, protect
from modelreg.trust.keys import Algorithm, PrivateKey, PublicKey
from modelreg.trust.signers.file import (
    check_key_folder,
    make_key_folder,
    read_key_file,
    replace_key_file,
    unlock_key_file,
    write_key_file,
    write_public_key,
)

SUFFIX = ".key"
DEFAULT_NAME = DEFAULT_KEY


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What everybody may know of a key in a file.

    ``id`` is the SHA-256 of the DER public key, ``hint`` that of its PEM text, by which an OpenSSF Model Signing bundle
    names it; both are lowercase hex.
    """

    name: str
    path: Path
    algorithm: str
    id: str
    hint: str
    is_protected: bool
    public_pem: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UnreadableKey:
    """A file among the keys that cannot be used, and why; ``hint`` is what to do."""

    name: str
    path: Path
    message: str
    hint: str | None


def stored_key(name: str, path: Path, file: KeyFile) -> StoredKey:
    """What ``file`` tells without being unlocked."""
    public = file.public
    return StoredKey(name, path, public.algorithm.value, public.id, public.hint, file.is_protected, public.pem)


def file_of(key: PrivateKey, passphrase: str | None) -> KeyFile:
    """The key file of ``key``: behind ``passphrase``, or an unprotected PEM block where that is ``None``."""
    return KeyFile.parse(key.to_pem() if passphrase is None else protect(key, passphrase))


def read_stored_key(path: Path) -> StoredKey:
    """What a key file anywhere, or an unprotected PEM private key, tells without being unlocked.

    Raises ``NotFoundError``; ``SigningError`` where others can read it; ``DocumentError`` for anything else than a key.
    """
    return stored_key(path.stem, path, read_key_file(path))


class Keyring:
    """The keys in one folder, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        return f"Keyring({str(self.folder)!r})"

    @classmethod
    def open(cls, settings: Settings | None = None, *, flags: Mapping[str, str] | None = None) -> Keyring:
        """The keyring that the settings name; its folder is made with the first key."""
        return cls((settings or load_settings(flags)).keys.value)

    def names(self) -> tuple[str, ...]:
        """The names of all keys, in order; raises ``SigningError`` for a folder that others can enter."""
        if not _is_there(self.folder):
            return ()
        check_key_folder(self.folder)
        try:
            found = sorted(path.name for path in self.folder.iterdir())
        except OSError as error:
            raise SigningError(f"cannot list the folder of keys {self.folder}: {reason_of(error)}") from None
        stems = (name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX))
        return tuple(stem for stem in stems if stem and not stem.startswith("."))

    def list(self) -> tuple[StoredKey | UnreadableKey, ...]:
        """Every key, and every file among them that cannot be used; raises as ``names``."""
        found: list[StoredKey | UnreadableKey] = []
        for name in self.names():
            try:
                found.append(self.get(name))
            except ModelregError as error:
                found.append(UnreadableKey(name, self._file(name), error.message, error.hint))
        return tuple(found)

    def get(self, name: str = DEFAULT_NAME) -> StoredKey:
        """The key ``name``, not unlocked.

        Raises ``NotFoundError``, ``SigningError`` for what others can read or enter, ``DocumentError`` for a damaged
        file.
        """
        path = self._existing(name)
        return stored_key(name, path, read_key_file(path))

    def check_new(self, name: str, algorithm: str = Algorithm.ECDSA_P256.value) -> None:
        """Raise ``UsageError`` for no name or no algorithm, and ``ConflictError`` where the name is taken."""
        path = self.folder / f"{parse_key_name(name)}{SUFFIX}"
        if algorithm not in tuple(Algorithm):
            choices = ", ".join(Algorithm)
            raise UsageError(
                f"{algorithm[:60]!r} is no kind of key that modelreg makes", hint=f"choose one of {choices}"
            )
        if _is_there(path):
            raise ConflictError(f"there is a key {name!r} already: {path}", hint="give the new one another name")

    def generate(
        self, name: str = DEFAULT_NAME, *, algorithm: str = Algorithm.ECDSA_P256.value, passphrase: str | None
    ) -> StoredKey:
        """Make a key behind ``passphrase``; ``None`` leaves it unprotected, which its file's mode alone protects then.

        Raises ``UsageError`` for a bad name, algorithm or passphrase, ``ConflictError`` where the name is taken,
        ``SigningError`` where the file cannot be written.
        """
        self.check_new(name, algorithm)
        return self._write(name, file_of(PrivateKey.generate(algorithm), passphrase))

    def ensure(self, name: str = DEFAULT_NAME) -> tuple[StoredKey, bool]:
        """The key ``name``, and whether it was made now, unprotected; of two at a time one makes it, for both.

        Raises as ``get`` and ``generate``.
        """
        with contextlib.suppress(NotFoundError):
            return self.get(name), False
        try:
            return self.generate(name, passphrase=None), True
        except ConflictError:
            return self.get(name), False

    def take(self, path: Path, name: str | None = None, *, passphrase: str | None) -> StoredKey:
        """Take in a copy of the key in ``path``, by default under the file's name.

        A PEM private key is put behind ``passphrase``, or left unprotected where that is ``None``.  A protected key
        file stays behind its own passphrase; one that is given must open it.  Raises as ``read_stored_key`` and
        ``generate``, and ``PassphraseError`` for one that does not open the file.
        """
        name = path.stem if name is None else name
        self.check_new(name)
        file = read_key_file(path)
        if not file.is_protected:
            file = file_of(file.unlock(), passphrase)
        elif passphrase is not None:
            file.unlock(passphrase)
        return self._write(name, file)

    def unlock(self, name: str = DEFAULT_NAME, passphrase: str | None = None) -> PrivateKey:
        """The key ``name``, which signs; raises as ``get``, and ``PassphraseError`` where its own is not given."""
        return unlock_key_file(self._existing(name), passphrase)

    def change_passphrase(self, name: str, passphrase: str | None, new: str | None) -> StoredKey:
        """Put the key behind ``new``, or with ``None`` behind nothing; raises as ``unlock`` and ``generate``."""
        path = self._existing(name)
        file = file_of(self.unlock(name, passphrase), new)
        replace_key_file(path, file.to_bytes())
        return stored_key(name, path, file)

    def private_pem(self, name: str, passphrase: str | None = None) -> str:
        """The key ``name`` as an unprotected PKCS8 PEM text: whoever reads it can sign.  Raises as ``unlock``."""
        return self.unlock(name, passphrase).to_pem().decode("ascii")

    def export_private(self, name: str, path: Path, passphrase: str | None = None) -> None:
        """Write ``private_pem`` into a new file with the mode 0600; raises as ``unlock``, ``ConflictError`` besides."""
        write_key_file(path, self.private_pem(name, passphrase).encode("ascii"))

    def export_public(self, name: str, path: Path) -> None:
        """Write the public PEM text into a new file; raises as ``get``, ``ConflictError`` for a file that is there."""
        write_public_key(path, PublicKey.from_pem(self.get(name).public_pem.encode("ascii")))

    def _write(self, name: str, file: KeyFile) -> StoredKey:
        make_key_folder(self.folder)
        path = self._file(name)
        write_key_file(path, file.to_bytes())
        return stored_key(name, path, file)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def _existing(self, name: str) -> Path:
        """The key's file, its links followed, so that a replacement takes the place of the file itself."""
        path = self._file(parse_key_name(name))
        if not _is_there(path):
            raise NotFoundError(f"there is no key {name!r} in {self.folder}", hint="modelreg key list")
        check_key_folder(self.folder)
        return Path(os.path.realpath(path))


def _is_there(path: Path) -> bool:
    """Whether anything has the name, also a link to nowhere; raises ``SigningError`` where that cannot be seen."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise SigningError(f"cannot look for {path}: {reason_of(error)}") from None
    return True
