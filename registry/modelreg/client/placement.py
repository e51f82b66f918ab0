"""Putting a verified folder in place: staged beside the destination, then renamed, whole or not at all.

Invariants: the destination is either exactly what it was or exactly what was verified; whatever interrupts the work,
only a hidden staging folder can be left, and the next pull to the same destination goes on with it or removes it.
Nothing in a folder that was left is trusted: whoever goes on with it verifies each byte again.

A folder that cannot be replaced by a rename (a volume of a container, a folder in one that is not ours to write) is
filled instead: staged inside it, then moved entry by entry, the manifest's folder first.  A crash between two of these
renames leaves a folder that fails verification and that the next ``--force`` replaces.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from modelreg.digest import sha256_hex
from modelreg.errors import ConflictError, PlacementError, StoreError
from modelreg.files import advice_on, fsync_folder, make_folder, reason_of
from modelreg.manifest import SIDE_FOLDER

_RENAME_EXCHANGE = 2
_RENAME_SWAP = 2
_AT_FDCWD = {"linux": -100, "darwin": -2}


def check_destination(destination: Path, *, force: bool) -> None:
    """Raise ``ConflictError`` if ``destination`` is in the way and may not be replaced."""
    with as_placement_error(destination):
        _check_destination(destination, force=force)


def _check_destination(destination: Path, *, force: bool) -> None:
    if not os.path.lexists(destination):
        return
    if destination.is_symlink() or not destination.is_dir():
        raise ConflictError(f"{str(destination)!r} exists and is not a folder", hint="give another folder with -o")
    if not _entries(destination):
        return
    if not force:
        raise ConflictError(
            f"{str(destination)!r} exists and is not empty",
            hint="give another folder with -o, or --force to replace it as a whole",
        )
    real = destination.resolve()
    if _is_filled(destination) and (destination / SIDE_FOLDER).is_dir():
        return  # nothing but what an earlier pull left goes
    if real in (Path.home().resolve(), *(Path.cwd().resolve(), *Path.cwd().resolve().parents)) or real.is_mount():
        raise ConflictError(
            f"--force would replace {str(real)!r} as a whole, which is your home, a mount point or where you are",
            hint="give a folder of its own with -o",
        )


def _is_filled(destination: Path) -> bool:
    """Whether nothing can be renamed to ``destination``: it is mounted, or its folder is not ours to write."""
    if not destination.is_dir() or destination.is_symlink():
        return False
    return destination.is_mount() or not os.access(destination.parent, os.W_OK | os.X_OK, effective_ids=True)


def _staging_parent(destination: Path) -> Path:
    return destination if _is_filled(destination) else destination.parent


def _entries(destination: Path) -> list[Path]:
    """What stands in a destination, but for staging folders, and for what a file system keeps at its own root."""
    prefix = staging_prefix(destination)
    kept = "lost+found" if destination.is_mount() else None
    return [path for path in destination.iterdir() if not path.name.startswith(prefix) and path.name != kept]


@contextlib.contextmanager
def staging_folder(destination: Path) -> Iterator[Path]:
    """A private folder beside ``destination``, on the same file system; gone at the end unless it was placed."""
    parent = _staging_parent(destination)
    prefix = staging_prefix(destination)
    with as_placement_error(destination):
        make_folder(parent.absolute())
        _remove_abandoned(parent, prefix)
        staging = parent / f"{prefix}{secrets.token_hex(8)}"
        staging.mkdir(mode=0o700)
    lock = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not staging.is_dir():
            raise ConflictError(f"another pull to {str(destination)!r} is at work", hint="try again when it is done")
        yield staging
    finally:
        os.close(lock)
        shutil.rmtree(staging, ignore_errors=True)


@contextlib.contextmanager
def resumable_folder(destination: Path, digest: str) -> Iterator[Path]:
    """As ``staging_folder``, but what was fetched of the manifest ``digest`` stays when the network or the user stops.

    The next call for the same destination and digest yields the same folder with what is in it.  While another
    process is at it, or where the name is taken by what is not ours, the folder is a fresh one that does not stay.
    """
    prefix, parent = staging_prefix(destination), _staging_parent(destination)
    staging = parent / f"{prefix}{digest[:32]}"
    with as_placement_error(destination):
        make_folder(parent.absolute())
        _remove_abandoned(parent, prefix, but=staging.name)
        lock = _take(staging)
    if lock is None:
        with staging_folder(destination) as fresh:
            yield fresh
        return
    stays = False
    try:
        yield staging
    except (StoreError, KeyboardInterrupt, SystemExit):
        stays = True
        raise
    finally:
        os.close(lock)
        if not stays:
            shutil.rmtree(staging, ignore_errors=True)


def _take(staging: Path) -> int | None:
    """A descriptor that locks the folder ``staging``, made if it is absent; ``None`` if it cannot be ours alone."""
    with contextlib.suppress(FileExistsError):
        staging.mkdir(mode=0o700)
    try:
        lock = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    if not _is_ours(lock, staging):
        os.close(lock)
        return None
    return lock


def _is_ours(lock: int, staging: Path) -> bool:
    """Whether the locked folder is still the one of that name, and nobody else can write in it."""
    status = os.fstat(lock)
    try:
        there = staging.lstat()
    except FileNotFoundError:
        return False
    return there.st_ino == status.st_ino and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def staging_prefix(destination: Path) -> str:
    """How the staging folders of ``destination`` begin; a digest, because its own name may be as long as names get."""
    return f".modelreg-{sha256_hex(os.fsencode(destination.name))[:16]}-"


def _remove_abandoned(parent: Path, prefix: str, *, but: str | None = None) -> None:
    """Remove staging folders of pulls that died or were interrupted: nobody holds their lock."""
    for leftover in parent.glob(f"{prefix}*"):
        if leftover.name == but:
            continue
        try:
            lock = os.open(leftover, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(leftover, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)


def place(staging: Path, destination: Path) -> None:
    """Make everything in ``staging`` durable and give it the name ``destination``, replacing what is there at once."""
    with as_placement_error(destination):
        for folder, _, _ in os.walk(staging):
            fsync_folder(Path(folder))
        staging.chmod(0o777 & ~_umask())
        if staging.parent == destination:
            _fill(destination, staging)
        elif destination.is_dir() and any(destination.iterdir()):
            _exchange(staging, destination)
        else:
            staging.rename(destination)
        fsync_folder(staging.parent)


def _fill(destination: Path, staging: Path) -> None:
    """Move what ``staging`` holds up into ``destination``, and what was there into ``staging``, to be removed.

    The folder with a manifest goes last and comes first, so that at no moment anything stands there without it.
    """
    leaving = sorted(_entries(destination), key=_manifest_first, reverse=True)
    coming = sorted(staging.iterdir(), key=_manifest_first)
    old = [(path, staging / f".old-{number}") for number, path in enumerate(leaving)]
    new = [(path, destination / path.name) for path in coming]
    moved: list[tuple[Path, Path]] = []
    try:
        for source, place in old + new:
            source.rename(place)
            moved.append((source, place))
    except BaseException:
        for source, place in reversed(moved):
            place.rename(source)
        raise


def _manifest_first(path: Path) -> tuple[bool, str]:
    return path.name != SIDE_FOLDER, path.name


def _exchange(staging: Path, destination: Path) -> None:
    """Swap two folders in one step where the system can; ``staging`` then holds the old one, to be removed.

    Where it cannot (no renameat2, or a file system without it), the old folder is moved aside first.
    """
    if _swap_at_once(staging, destination):
        return
    aside = staging.with_name(staging.name + "-old")
    destination.rename(aside)
    try:
        staging.rename(destination)
    except OSError:
        aside.rename(destination)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _swap_at_once(staging: Path, destination: Path) -> bool:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    old, new = os.fsencode(staging), os.fsencode(destination)
    if sys.platform == "linux" and hasattr(libc, "renameat2"):
        result = libc.renameat2(_AT_FDCWD["linux"], old, _AT_FDCWD["linux"], new, _RENAME_EXCHANGE)
    elif sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        result = libc.renamex_np(old, new, _RENAME_SWAP)
    else:
        return False
    if result == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(destination))


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def as_placement_error(destination: Path) -> Iterator[None]:
    """Operating-system errors at the destination as ``PlacementError``, with the system's reason."""
    try:
        yield
    except OSError as error:
        raise PlacementError(
            f"cannot write to {str(destination)!r}: {reason_of(error)}",
            hint=advice_on(error, "give another folder with -o"),
        ) from error
