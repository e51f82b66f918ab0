"""The meter: counts exactly, draws seldom, and only for a person."""

from __future__ import annotations

import io
import sys
import threading
from pathlib import Path

import pytest

from modelreg_cli import progress as meters
from modelreg_cli.output import Form, Output
from modelreg_cli.progress import Meter, progress, size_on_disk


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Time that passes only when it is told to."""

    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


def test_quick_work_shows_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done in half a second draws no bar; what takes longer does."""
    stream, clock = Terminal(), Clock()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(meters, "time", clock)
    with progress(Output(), "push", 10) as advance:
        assert advance is not None
        clock.now_s += 0.49
        advance(5)
        assert stream.getvalue() == ""
        clock.now_s += 0.02
        advance(5)
        assert "push" in stream.getvalue()


@pytest.mark.parametrize("form", [Form.JSON, Form.QUIET], ids=["json", "quiet"])
def test_programs_see_no_bar(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``--json`` and ``-q`` the library is given no callback at all."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress(Output(form), "push", 10) as advance:
        assert advance is None


def test_no_terminal_no_bar() -> None:
    """Nor where standard error is no terminal."""
    with progress(Output(), "push", 10) as advance:
        assert advance is None


def test_threads_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes reported by eight threads add up, and the bar that is drawn says so."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(meters, "SHOWN_AFTER_S", 0.0)
    meter = Meter("verifying", 8000)

    def count() -> None:
        for _ in range(1000):
            meter(1)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.setattr(meter, "_next_s", 0.0)
    meter(0)
    meter.close()
    assert "verifying" in stream.getvalue()
    assert "7.8/7.8 KiB" in stream.getvalue()


def test_a_phase_counts_from_zero_to_its_own_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What begins has its own name and far end, and what was counted before does not count for it."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(meters, "SHOWN_AFTER_S", 0.0)
    monkeypatch.setattr(meters, "INTERVAL_S", 0.0)
    meter = Meter("push", 8000)
    meter(8000)
    meter.begin("uploading", 1_000_000)
    meter(500_000)
    meter.close()
    first, _, second = stream.getvalue().partition("uploading")
    assert "/7.8 KiB" in first
    assert "488.3/976.6 KiB" in second
    assert "/7.8 KiB" not in second


def test_the_size_of_a_folder_is_the_sum_of_its_files(tmp_path: Path) -> None:
    """The far end of the bar, before anything is read."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_bytes(b"123")
    (tmp_path / "b").write_bytes(b"4")
    assert size_on_disk(tmp_path) == 4
    assert size_on_disk(tmp_path / "b") == 1
    assert size_on_disk(tmp_path / "nothing") is None
