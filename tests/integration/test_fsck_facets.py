"""What versions are found by, held against their manifests: rows that a foreign hand changed, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.care import fill

from modelreg import IndexEntry, ProblemKind, Registry, parse_filter

pytestmark = pytest.mark.slow

ROWS = "model = 'model0' AND version = 2"
VERSION = "(SELECT version_id FROM facets WHERE kind = 'format' AND {rows})"
ITS = VERSION.format(rows=ROWS)
NEXT = VERSION.format(rows="model = 'model0' AND version = 3")
COLUMNS = "(kind, key, value, model, version, version_id)"


@pytest.fixture
def registry(tmp_path: Path, database_url: str) -> Iterator[Registry]:
    """``model0`` and ``model1`` with three versions each."""
    with Registry.open(database_url=database_url, storage_url=f"file://{tmp_path}/store") as opened:
        fill(opened, 3)
        yield opened


def tamper(registry: Registry, *statements: str) -> None:
    with registry._index.transaction() as transaction:
        for statement in statements:
            transaction._connection.exec_driver_sql(statement)


def found(registry: Registry, **wanted: list[str]) -> list[IndexEntry]:
    return list(registry.list(matching=parse_filter(**wanted)))


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (f"DELETE FROM facets WHERE kind = 'format' AND {ROWS}", "not found by 'format keras-hdf5'"),
        (
            f"INSERT INTO facets {COLUMNS} VALUES ('has', 'lambda', '', 'model0', 2, {ITS})",
            "found by 'has lambda', which the manifest does not say",
        ),
        (f"INSERT INTO facets {COLUMNS} VALUES ('?', '', 'new', 'model0', 2, {ITS})", "found by '? new'"),
        (
            f"UPDATE facets SET value = '3.0' WHERE kind = 'env' AND key = 'keras' AND {ROWS}",
            "found by 'env keras 3.0'",
        ),
        (f"UPDATE facets SET version = 9 WHERE kind = 'format' AND {ROWS}", "'format keras-hdf5 of model0:9'"),
        (f"INSERT INTO without_facets VALUES ({ITS})", "found by 'env keras 2.13.1', 'format keras-hdf5'"),
    ],
    ids=["missing", "invented", "of no kind", "changed", "of another version", "told as missing"],
)
def test_facets_that_disagree_are_told_and_written_anew(registry: Registry, statement: str, told: str) -> None:
    """Claim: the version is named with what it is wrongly found by, or not; healing writes what the manifest says."""
    tamper(registry, statement)
    checked = registry.fsck()
    assert [(problem.kind, problem.versions) for problem in checked.problems] == [
        (ProblemKind.ROW_DIFFERS, ("model0:2",))
    ]
    assert told in checked.problems[0].message
    assert registry.heal(checked).is_whole
    assert registry.fsck().is_clean
    assert found(registry, environments=["keras<3"], formats=["keras-hdf5"]) == list(registry.list())
    assert found(registry, has=["lambda"]) == []


def test_facets_under_the_id_of_another_version_are_told_of_both(registry: Registry) -> None:
    """Claim: rows that stand in the place of a version's own do not keep them from being written."""
    tamper(registry, f"UPDATE facets SET version_id = {NEXT} WHERE {ROWS}")
    checked = registry.fsck()
    assert [problem.versions for problem in checked.problems] == [("model0:2",), ("model0:3",)]
    assert "of model0:2" in checked.problems[1].message
    assert registry.heal(checked).is_whole
    assert registry.fsck().is_clean


def test_a_version_that_waits_for_a_reindex_is_no_corruption(registry: Registry) -> None:
    """Claim: what an older modelreg indexed has no facets and is clean, before the reindex and after."""
    tamper(registry, f"INSERT INTO without_facets VALUES ({ITS})", f"DELETE FROM facets WHERE {ROWS}")
    assert registry.unfiltered() == 1
    assert registry.fsck().is_clean
    assert registry.reindex().filled == 1
    assert registry.fsck().is_clean
