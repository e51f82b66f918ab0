"""A key in a file: read only where nobody else can, written whole or not at all, and never over another.

The only module of ``trust`` that writes files.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from modelreg.errors import ConflictError, DocumentError, NotFoundError, PassphraseError, SigningError
from modelreg.files import advice_on, fsync_folder, make_folder, reason_of
from modelreg.trust.keyfile import FILE_SIZE_BYTES_MAX, KeyFile
from modelreg.trust.keys import PrivateKey, PublicKey

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_key_file(path: Path) -> KeyFile:
    """The key file at ``path``, not unlocked.

    Raises ``NotFoundError``; ``SigningError`` for one that others can read or that cannot be read; ``DocumentError``
    for what is no key file.
    """
    data = _read_private(path)
    try:
        return KeyFile.parse(data)
    except DocumentError as error:
        raise DocumentError(f"{path}: {error.message}", hint=error.hint) from None


def unlock_key_file(path: Path, passphrase: str | None = None) -> PrivateKey:
    """The key in the file at ``path``, which signs; raises as ``read_key_file`` and ``KeyFile.unlock``."""
    file = read_key_file(path)
    try:
        return file.unlock(passphrase)
    except PassphraseError as error:
        raise PassphraseError(f"{path}: {error.message}", hint=error.hint) from None


def write_key_file(path: Path, data: bytes) -> None:
    """Make the file ``path`` hold ``data``, durable and for its owner alone.

    Raises ``ConflictError`` where anything is there, and ``SigningError`` where it cannot be written.
    """
    _write_new(path, data, 0o600)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    with _temporary(path, data, mode) as temporary:
        try:
            os.link(temporary, path, follow_symlinks=False)
        except FileExistsError:
            raise ConflictError(f"{path} is there already and was left as it is", hint="name another file") from None


def write_public_key(path: Path, key: PublicKey) -> None:
    """Make the file ``path`` hold the PEM text of ``key``, for all to read; raises as ``write_key_file``."""
    _write_new(path, key.pem.encode("ascii"), 0o644)


def make_key_folder(folder: Path) -> None:
    """Make ``folder`` for its owner alone; raises ``SigningError`` where it cannot be made, or others can enter it."""
    try:
        if not folder.is_dir():
            make_folder(folder.parent.absolute())
            folder.mkdir(mode=0o700, exist_ok=True)
            fsync_folder(folder.parent)
    except OSError as error:
        hint = advice_on(error, "name another folder in MODELREG_KEYS")
        raise SigningError(f"cannot make the folder of keys {folder}: {reason_of(error)}", hint=hint) from None
    check_key_folder(folder)


def check_key_folder(folder: Path) -> None:
    """Raise ``SigningError`` for a folder that others can enter: they could put their own keys in place of these."""
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError as error:
        raise SigningError(f"cannot look at the folder of keys {folder}: {reason_of(error)}") from None
    if mode & _OTHERS:
        raise SigningError(
            f"others can enter the folder of keys {folder}: its mode is {mode:04o}",
            hint=f"chmod 700 {shlex.quote(str(folder))}",
        )


def replace_key_file(path: Path, data: bytes) -> None:
    """Put ``data`` where the key file ``path`` is, as for another passphrase; raises ``SigningError``."""
    with _temporary(path, data) as temporary:
        temporary.replace(path)


@contextlib.contextmanager
def _temporary(path: Path, data: bytes, mode: int = 0o600) -> Iterator[Path]:
    """A durable file of that mode beside ``path`` for a caller who gives it its name."""
    temporary = path.parent / f".{secrets.token_hex(8)}.key"
    try:
        make_folder(path.parent.absolute())
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)
        fsync_folder(path.parent)
    except OSError as error:
        hint = advice_on(error, "name another folder")
        raise SigningError(f"cannot write the key file {path}: {reason_of(error)}", hint=hint) from None


def _read_private(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SigningError(f"{path} is no regular file, as a key file is")
            if status.st_mode & _OTHERS:
                raise SigningError(
                    f"others can read or change the key file {path}: its mode is {stat.S_IMODE(status.st_mode):04o}",
                    hint=f"chmod 600 {shlex.quote(str(path))}",
                )
            data = file.read(FILE_SIZE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise NotFoundError(f"there is no key file {path}") from None
    except OSError as error:
        raise SigningError(f"cannot read the key file {path}: {reason_of(error)}") from None
    if len(data) > FILE_SIZE_BYTES_MAX:
        raise DocumentError(f"{path} has more than {FILE_SIZE_BYTES_MAX:,} bytes, which no key file has")
    return data
