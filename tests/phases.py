"""A progress that remembers what it was told: which phases began, how much each was to be, and how much was counted."""

from __future__ import annotations

import threading


class Phases:
    """Counts as the command line's meter does, and draws nothing."""

    def __init__(self) -> None:
        self.promised: dict[str, int] = {}
        self.counted: dict[str, int] = {}
        self._lock = threading.Lock()
        self._what = ""

    def begin(self, what: str, size_bytes: int) -> None:
        self._what = what
        self.promised[what] = size_bytes

    def __call__(self, size_bytes: int) -> None:
        with self._lock:
            self.counted[self._what] = self.counted.get(self._what, 0) + size_bytes
