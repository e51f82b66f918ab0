"""Finding versions by what their manifests say, on every database: the same as looking at each manifest."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelreg.db.records import Index
from modelreg.db.schema import facets, files, models, versions, without_facets
from modelreg.db.session import Session
from modelreg.environment.document import Environment
from modelreg.facets import parse_filter
from modelreg.facts import Container, CustomObject, Facts, LambdaCode
from modelreg.manifest import Manifest, manifest_digest

Make = Callable[..., Manifest]
KERAS = ("2.4.0", "2.13.1", "3.0.0")
CONTAINERS = (Container.KERAS_HDF5, Container.KERAS_ZIP, Container.SAVED_MODEL)
LAMBDA = LambdaCode("scale", "m/scale", ("3.8",))
CUSTOM = CustomObject("Mine", "layer", "m/mine")


def push(index: Index, make: Make, model: str, number: int) -> Manifest:
    """A version whose properties follow from ``number``."""
    with index.transaction() as transaction:
        version, previous = transaction.next_version(model)
        manifest = make(
            model=model,
            version=version,
            previous=previous,
            facts=Facts(
                CONTAINERS[number % 3],
                "m",
                lambdas=(LAMBDA,) if number % 2 else (),
                custom_objects=(CUSTOM,) if number % 5 == 0 else (),
            ),
            writer=Environment(distributions={"keras": KERAS[number // 3 % 3]}),
            metadata={"owner": f"team{number % 2}"} if number % 4 else {},
        )
        transaction.add(manifest, manifest_digest(manifest.to_bytes()))
    return manifest


@pytest.fixture
def index(session: Session) -> Index:
    return Index(session)


@pytest.fixture
def pushed(index: Index, make_manifest: Make) -> list[Manifest]:
    """Forty versions of four models, in the order of a list."""
    made = [push(index, make_manifest, f"team/{'dacb'[number % 4]}", number) for number in range(40)]
    return sorted(made, key=lambda manifest: (manifest.model, manifest.version))


def _looks(manifest: Manifest, given: dict[str, list[str]]) -> bool:
    """The same question, asked of a manifest."""
    facts = manifest.facts
    has = {"lambda": bool(facts.lambdas), "custom": bool(facts.custom_objects), "golden": False}
    keras = manifest.writer.distributions["keras"]
    allowed = {"keras<3": not keras.startswith("3"), "keras==2.13.*": keras == "2.13.1", "jax": False, "keras": True}
    owner = manifest.metadata.get("owner")
    meta = {"owner": owner is not None, "owner=team1": owner == "team1", "owner=": owner == "", "other": False}
    return (
        (not given["formats"] or facts.container.value in given["formats"])
        and all(has[text] for text in given["has"])
        and all(allowed[text] for text in given["environments"])
        and all(meta[text] for text in given["metadata"])
    )


ASKED = st.fixed_dictionaries(
    {
        "formats": st.lists(st.sampled_from([each.value for each in CONTAINERS]), max_size=2, unique=True),
        "has": st.lists(st.sampled_from(["lambda", "custom", "golden"]), max_size=2, unique=True),
        "environments": st.lists(
            st.sampled_from(["keras<3", "keras==2.13.*", "jax", "keras"]), max_size=2, unique=True
        ),
        "metadata": st.lists(st.sampled_from(["owner", "owner=team1", "owner=", "other"]), max_size=2, unique=True),
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    given=ASKED,
    model=st.sampled_from([None, "team/a", "team/x"]),
    limit=st.sampled_from([None, 1, 3, 100]),
)
def test_a_filter_finds_what_the_manifests_say(
    index: Index, pushed: list[Manifest], given: dict[str, list[str]], model: str | None, limit: int | None
) -> None:
    """Claim: any filter, of any model, page by page, gives the versions whose manifests say so, in order, each once."""
    wanted = [(each.model, each.version) for each in pushed if _looks(each, given) and model in (None, each.model)]
    found: list[tuple[str, int]] = []
    while True:
        after = found[-1] if found else None
        page = index.versions(model, limit=limit, after=after, matching=parse_filter(**given))
        found += [(entry.model, entry.version) for entry in page]
        if limit is None or len(page) < limit:
            break
    assert found == wanted


def test_an_entry_is_whole_whichever_way_it_was_found(index: Index, pushed: list[Manifest]) -> None:
    """Claim: a filter changes which entries come, and nothing in them."""
    assert index.versions(matching=parse_filter(environments=["keras"])) == index.versions()


def test_facets_are_made_again_from_manifests(session: Session, index: Index, pushed: list[Manifest]) -> None:
    """Claim: versions of old are told, have no facet, and get the very same rows from their manifests, once."""
    with session.reading() as connection:
        before = sorted(map(tuple, connection.execute(sa.select(facets))))
        ids = {row.digest: row.id for row in connection.execute(sa.select(versions))}
    with session.writing() as connection:
        connection.execute(facets.delete())
        connection.execute(without_facets.insert(), [{"version_id": version_id} for version_id in ids.values()])
    assert (index.count_without_facets(), index.versions(matching=parse_filter(has=["lambda"]))) == (40, ())
    told = [entry.digest for _, entry in index.without_facets(0, 100)]
    assert sorted(told) == sorted(ids)
    assert [number for number, _ in index.without_facets(min(ids.values()), 3)] == sorted(ids.values())[1:4]
    for _ in range(2):
        for manifest in pushed:
            digest = manifest_digest(manifest.to_bytes())
            with index.transaction() as transaction:
                transaction.add_facets(ids[digest], manifest, digest)
    with session.reading() as connection:
        assert sorted(map(tuple, connection.execute(sa.select(facets)))) == before
    assert index.count_without_facets() == 0


def test_a_version_of_elsewhere_is_admitted_once(index: Index, session: Session, make_manifest: Make) -> None:
    """Claim: admitting twice is admitting once, with every row that a push would have made."""
    manifest = make_manifest(model="far", version=7)
    digest = manifest_digest(manifest.to_bytes())
    for is_new in (True, False):
        with index.transaction() as transaction:
            assert transaction.admit(manifest, digest) is is_new
    with session.reading() as connection:
        counts = [
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (models, versions, files)
        ]
    assert counts == [1, 1, 1]
    assert index.near("far", 8) == {7: digest}
