"""Finding versions by their facets, a page at a time, whatever the number of versions that match.

The primary key of ``facets`` ends in name and number, so that the versions of one facet stand there in the order of a
list: a page is one range of it, and every other condition is looked up for each version of that range.  What is asked
is the rarest condition first, as ``VersionFilter`` has them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import islice

import sqlalchemy as sa

from modelreg.db.schema import facets
from modelreg.facets import Condition, Facet, FacetKind, VersionFilter

Place = tuple[str, int, int]
"""A version's name, number and id."""


def find(
    connection: sa.Connection,
    wanted: VersionFilter,
    *,
    model: str | None = None,
    limit: int | None = None,
    after: tuple[str, int] | None = None,
) -> list[int]:
    """The ids of what ``wanted`` lets through, by name and number: ``limit`` of them, from behind ``after``."""
    choices = [_choice(connection, condition) for condition in wanted.conditions]
    if not all(choices):
        return []
    first, *others = choices
    pages = [_page(connection, facet, others, model, limit, after) for facet in first]
    return [version_id for _, _, version_id in islice(heapq.merge(*pages), limit)]


def _choice(connection: sa.Connection, condition: Condition) -> tuple[Facet, ...]:
    """The facets of which a version must have one."""
    specifier = condition.specifier
    if specifier is None:
        return condition.facets
    values = _values(connection, FacetKind.ENVIRONMENT, specifier.name)
    return tuple(Facet(FacetKind.ENVIRONMENT, specifier.name, value) for value in values if specifier.allows(value))


def _values(connection: sa.Connection, kind: FacetKind, key: str) -> Iterator[str]:
    """Every value that some version has, by one seek each."""
    last: str | None = None
    while True:
        query = sa.select(facets.c.value).where(facets.c.kind == kind.value, facets.c.key == key)
        if last is not None:
            query = query.where(facets.c.value > last)
        last = connection.execute(query.order_by(facets.c.value).limit(1)).scalar()
        if last is None:
            return
        yield last


def _page(
    connection: sa.Connection,
    facet: Facet,
    others: Sequence[tuple[Facet, ...]],
    model: str | None,
    limit: int | None,
    after: tuple[str, int] | None,
) -> list[Place]:
    query = (
        sa.select(facets.c.model, facets.c.version, facets.c.version_id)
        .where(_is(facets, (facet,)))
        .order_by(facets.c.model, facets.c.version)
        .limit(limit)
    )
    if model is not None:
        query = query.where(facets.c.model == model)
    if after is not None:
        name, version = after
        # The first term is for the index, which an OR alone would not use.
        query = query.where(facets.c.model >= name, (facets.c.model > name) | (facets.c.version > version))
    for number, choice in enumerate(others):
        other = facets.alias(f"other{number}")
        same = (other.c.model == facets.c.model) & (other.c.version == facets.c.version)
        query = query.where(sa.exists().where(_is(other, choice), same))
    return [(row.model, row.version, row.version_id) for row in connection.execute(query)]


def _is(table: sa.FromClause, choice: tuple[Facet, ...]) -> sa.ColumnElement[bool]:
    """Whether a row is one of ``choice``, which are of one kind and key."""
    values = [facet.value for facet in choice]
    value = table.c.value == values[0] if len(values) == 1 else table.c.value.in_(values)
    return (table.c.kind == choice[0].kind.value) & (table.c.key == choice[0].key) & value
