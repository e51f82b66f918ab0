"""Each attack of the table on real rows and real blobs: every client gets what the table promises."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.servers.server import ACCESS_KEY, SECRET_KEY
from tests.threats.table import ATTACKS, CLIENTS, PAGE, TAKES_RIGHT, Attack, all_clients, page
from tests.threats.world import World

if TYPE_CHECKING:
    from tests.servers.postgres import Server
    from tests.servers.server import S3Server

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.usefixtures("aws_credentials")]


@pytest.fixture(scope="module", params=["sqlite-local", "postgresql-seaweedfs"])
def registered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One registry of each kind, filled once."""
    folder = tmp_path_factory.mktemp("world")
    with contextlib.ExitStack() as stack:
        if request.param == "sqlite-local":
            urls = f"sqlite:///{folder}/registry.db", f"file://{folder}/store"
        else:
            s3: S3Server = request.getfixturevalue("seaweedfs")
            postgres: Server = request.getfixturevalue("postgres_server")
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            urls = stack.enter_context(postgres.schema()), s3.url(f"threats/{secrets.token_hex(8)}")
        yield stack.enter_context(contextlib.closing(World(folder, *urls)))


@pytest.fixture
def world(registered: World) -> World:
    """The registry as it was before any attack."""
    registered.reset()
    return registered


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.act.__name__)
def test_an_attack(attack: Attack, world: World) -> None:
    """Claim: the table says what each client gets."""
    world.pull("returning")
    attack.act(world)
    assert {client: str(world.pull(client, attack.reference)) for client in CLIENTS} == attack.promised


def test_without_an_attack(world: World) -> None:
    """Claim: with nobody at work every client takes the right model, so that the table's refusals are due to the attacks."""
    found = {client: str(world.pull(client)) for client in CLIENTS}
    assert found == {**all_clients(TAKES_RIGHT), "fresh": f"{TAKES_RIGHT}, warned (MR201, MR203)"}


def test_the_page_has_the_table() -> None:
    """Claim: docs/threat-model.md says what is tested."""
    assert PAGE.read_text(encoding="utf-8") == page(), "python tests/threats/table.py writes it anew"
