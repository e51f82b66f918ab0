"""What the tests of the log share: a registry with a log, somebody who writes to its database, and what an audit finds."""

from __future__ import annotations

import sqlite3

from modelreg import Registry
from modelreg.trust.record import LogRecord


def run_sql(registry: Registry, *lines: str) -> None:
    """What somebody can do who writes to the database."""
    connection = sqlite3.connect(registry.settings.home.value / "registry.db")
    with connection:
        for line in lines:
            connection.execute(line)
    connection.close()


def kinds(registry: Registry, **more: object) -> set[str]:
    """The kinds of problems that an audit finds."""
    report = registry.log_audit(**more)  # type: ignore[arg-type]
    assert report.is_clean == (not [one for one in report.findings if not one.is_remark])
    return {finding.kind for finding in report.findings if not finding.is_remark}


def records(registry: Registry) -> list[LogRecord]:
    """The records of the log, in order."""
    with registry._index.reading_log() as log:
        return [LogRecord.parse(registry.store.read(row.record_sha256, 10**6)) for row in log.checkpoints()]
