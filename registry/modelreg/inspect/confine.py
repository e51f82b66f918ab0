"""Takes away from the current process what reading a file does not need.

Invariants, once ``confine`` has returned:

* No file can be opened by name on Linux with Landlock (kernel 5.13 or later), and no descriptor can be made at all on
  any system, because the limit of open files is below the lowest free number.
* Memory and processor time are bounded by the kernel; nothing can be written to a file; no core is dumped.

Everything must be imported before.  Source of the numbers: Linux ``include/uapi/linux/landlock.h`` and the system call
table, in which Landlock has the same three numbers on every architecture.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

from modelreg.inspect.limits import ChildLimits

_CREATE_RULESET = 444
_RESTRICT_SELF = 446
_RULESET_VERSION_FLAG = 1
_PR_SET_NO_NEW_PRIVS = 38
_FILE_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many of the file-system access bits each Landlock ABI knows; newer ones know no more."""
_NETWORK_RIGHTS = 0b11
_SCOPES = 0b11


def limit_resources(limits: ChildLimits) -> None:
    """Bound memory and time; to be called before anything hostile is read."""
    _set_limit(resource.RLIMIT_AS, limits.memory_bytes)
    # The hard limit kills outright; the soft one, reached first, says by its signal that it was the time.
    _set_limit(resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + 1)
    _set_limit(resource.RLIMIT_CORE, 0)


def confine() -> None:
    """Give up files, processes and the network; to be called when everything is imported and received."""
    _landlock()
    _set_limit(resource.RLIMIT_FSIZE, 0)
    _set_limit(resource.RLIMIT_NPROC, 0)
    _set_limit(resource.RLIMIT_NOFILE, 0)


def _set_limit(which: int, value: int, hard_value: int | None = None) -> None:
    """Lower a limit for good; a limit that the system already has lower stays."""
    hard_value = value if hard_value is None else hard_value
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        hard_value = min(hard_value, hard)
    try:
        resource.setrlimit(which, (min(value, hard_value), hard_value))
    except (ValueError, OSError):
        # macOS accepts no limit of address space; the parent's time limit still holds there.
        if sys.platform != "darwin":
            raise


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def landlock_abi() -> int:
    """The version of Landlock that this kernel has; below 1 where it has none."""
    if sys.platform != "linux":
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _RULESET_VERSION_FLAG))


def _landlock() -> None:
    """Handle every right that the kernel knows and grant none; a kernel without Landlock is left as it is."""
    abi = landlock_abi()
    if abi < 1:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    files = (1 << _FILE_RIGHTS_BY_ABI.get(abi, 16)) - 1
    attributes = _RulesetAttributes(files, _NETWORK_RIGHTS if abi >= 4 else 0, _SCOPES if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset failed")
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.syscall(_RESTRICT_SELF, ruleset, 0):
        raise OSError(ctypes.get_errno(), "landlock_restrict_self failed")
    os.close(ruleset)
