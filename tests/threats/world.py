"""A registry with a publisher, a reviewer and a thief, for attacks on real rows and real blobs.

Ada signs what she pushes.  ``fraud`` has two versions, ``production`` points at the second; ``churn`` has one.  The
attacker of a test has the powers that the test says: the store's bytes, the database's rows, an old copy of the rows,
ada's key.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec
from tests.care import overwrite
from tests.conftest import entry_of
from tests.unit.trust.people import KEYS, ids, role, store

from modelreg import Finding, Lock, Manifest, Pulled, Purpose, RefusedError, Registry, load_settings
from modelreg.client.keyring import file_of
from modelreg.config import Settings
from modelreg.db.schema import metadata
from modelreg.trust.acceptance import sign_trust_store
from modelreg.trust.keys import PrivateKey
from modelreg.trust.roles import Revocation
from modelreg.trust.signer import Signer
from modelreg.trust.signers.file import make_key_folder, write_key_file
from modelreg.trust.trust_store import Roots, TrustedRegistry, TrustStore

ADA = KEYS["ada"]
MALLORY = PrivateKey(ec.derive_private_key(4711, ec.SECP256R1()))
"""In nobody's trust store."""
PRODUCTION = "fraud@production"
RIGHT, OLD, THEIRS, CHURN = b"the second model", b"the first model", b"the attacker's model", b"another model"
BYTES = {RIGHT: "the right model", OLD: "an old model", THEIRS: "the attacker's model", CHURN: "another model"}


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a pull: the model that was taken, or the rules that refused it; what was warned of."""

    taken: str | None
    exit_status: int = 0
    rules: frozenset[str] = frozenset()

    def __str__(self) -> str:
        told = ", ".join(sorted(self.rules))
        if self.taken is None:
            return f"refused, exit {self.exit_status} ({told})"
        return f"takes {self.taken}" + (f", warned ({told})" if told else "")


class World:
    """The registry at two addresses, everybody's settings, and what an attacker can do."""

    def __init__(self, folder: Path, database_url: str, storage_url: str) -> None:
        self.folder = folder
        self.turn = self.pulls = 0
        self.urls = {"database_url": database_url, "storage_url": storage_url}
        write_key_file(folder / "log.key", PrivateKey.generate("ed25519").to_pem())
        self.publisher = Registry.open(settings=self._settings("publisher", ("ada",), log_key=str(folder / "log.key")))
        self.attacker = Registry.open(settings=self._settings("attacker"))
        for name, data in (("fraud", OLD), ("fraud", RIGHT), ("churn", CHURN)):
            self.push(name, data)
        self.point("fraud:2")
        named = TrustedRegistry(self.manifest("fraud:2")[0].registry, self.publisher.log_key())
        roots, roles = Roots(ids("bob", "cyd"), 2), (role("*", "ada"),)
        self.document = store(root=roots, roles=roles, registries=(named,), expires_at=_in_a_year())
        self.trust(self.document)
        self.lock = self.locked()
        self._begin = self.document, self.lock, self.snapshot(), self._blobs()

    def reset(self) -> None:
        """Let everything be as it was before any attack, and every client a new one."""
        self.document, self.lock, rows, blobs = self._begin
        self.turn += 1
        self.trust(self.document)
        self.restore(rows)
        for blob in tuple(self.publisher.store.blobs()):
            if blob.sha256 not in blobs:
                self.delete_blob(blob.sha256)
        for sha256, data in blobs.items():
            self.overwrite(sha256, data)

    def _blobs(self) -> dict[str, bytes]:
        stored = self.publisher.store
        return {blob.sha256: stored.read(blob.sha256, blob.size_bytes) for blob in stored.blobs()}

    def close(self) -> None:
        self.publisher.close()
        self.attacker.close()

    def locked(self) -> Lock:
        """A lock file of now."""
        settings = self._settings("reviewer", trust_store=str(self.trust_store))
        with _at_home(settings.home.value), Registry.open(settings=settings) as registry:
            return registry.lock([PRODUCTION])[0]

    def _settings(self, who: str, keys: tuple[str, ...] = (), **flags: str) -> Settings:
        folder = self.folder / f"{self.turn}-{who}"
        make_key_folder(folder / "keys")
        for name in keys:
            write_key_file(folder / "keys" / f"{name}.key", file_of(KEYS[name], None).to_bytes())
        given = {"home": str(folder), "keys": str(folder / "keys"), "target": "none", "user": who, **self.urls, **flags}
        return load_settings(given, environ={}, cwd=folder)

    def trust(self, document: TrustStore) -> None:
        """Give this trust store to everybody."""
        self.document = document
        self.trust_store = self.folder / f"trust-{self.turn}.json"
        self.trust_store.write_bytes(sign_trust_store(document, [KEYS["bob"], KEYS["cyd"]]))

    def revoke(self, name: str) -> None:
        """The key of ``name`` is known to be stolen, and the next trust store says so."""
        revocation = Revocation(KEYS[name].public.id, "stolen", compromised=True)
        self.trust(dataclasses.replace(self.document, version=self.document.version + 1, revocations=(revocation,)))

    def push(self, name: str, data: bytes, by: Registry | None = None) -> str:
        """Push a version, signed by ada, as its publisher does; or as ``by``, who has no log key."""
        path = self.folder / f"{name}.bin"
        path.write_bytes(data)
        return (by or self.publisher).push(path, name=name, environment="none", signer=ADA).reference

    def point(self, reference: str, signer: Signer | None = ADA) -> None:
        """Move the alias, as its publisher does."""
        self.publisher.alias(reference, "production", signer=signer)

    # --- the powers of an attacker ------------------------------------------------------------------------------------

    def overwrite(self, sha256: str, data: bytes) -> None:
        """(i) Other bytes under a digest."""
        overwrite(self.publisher, sha256, data)

    def delete_blob(self, sha256: str) -> None:
        """(i) A blob is gone."""
        self.publisher.store.delete(sha256)

    def sql(self, statement: str, **values: Any) -> None:
        """(ii) Any change of rows."""
        with self._engine() as connection:
            connection.execute(sa.text(statement), values)

    @contextlib.contextmanager
    def _engine(self) -> Iterator[sa.Connection]:
        url = self.urls["database_url"].replace("postgresql://", "postgresql+psycopg://")
        engine = sa.create_engine(url)
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def snapshot(self) -> dict[str, list[dict[str, Any]]]:
        """(iv) A copy of every row."""
        with self._engine() as connection:
            return {
                table.name: [dict(row._mapping) for row in connection.execute(table.select())]
                for table in metadata.sorted_tables
            }

    def restore(self, rows: dict[str, list[dict[str, Any]]]) -> None:
        """(iv) The database is put back to that copy."""
        with self._engine() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
            for table in metadata.sorted_tables:
                if rows[table.name]:
                    connection.execute(table.insert(), rows[table.name])

    def manifest(self, reference: str) -> tuple[Manifest, str]:
        """Anybody can read."""
        entry, judgement = self.publisher.judge(reference, Purpose.PULL)
        assert judgement.manifest is not None
        return judgement.manifest, entry.digest

    def replace_second_version(self, signer: Signer | None = None, **changes: Any) -> None:
        """(iii) Another version 2, consistent in rows and blobs, perhaps signed by whom the attacker can."""
        found, digest = self.manifest("fraud:2")
        self.publisher.store.put(THEIRS)
        given = {"files": (entry_of("fraud.bin", THEIRS),), **changes}
        manifest = dataclasses.replace(found, **given)
        for table in ("aliases", "bundles", "files", "facets"):
            self.sql(f"DELETE FROM {table} WHERE version_id = (SELECT id FROM versions WHERE digest = :d)", d=digest)
        self.sql("DELETE FROM versions WHERE digest = :d", d=digest)
        with self.publisher._index.transaction() as transaction:
            transaction.add(manifest, self.publisher.store.put(manifest.to_bytes()))
        if signer is not None:
            self.attacker.sign("fraud:2", signer)
        self.rewind_to(2)

    def rewind_to(self, version: int) -> None:
        """(ii) The alias row points elsewhere."""
        self.sql("DELETE FROM aliases")
        found = "SELECT v.model_id, 'production', v.id, '2026-01-01T00:00:00Z' FROM versions v"
        where = "JOIN models m ON m.id = v.model_id WHERE m.name = 'fraud' AND v.version = :version"
        self.sql(f"INSERT INTO aliases (model_id, alias, version_id, moved_at) {found} {where}", version=version)

    def at_home_of(self, who: str) -> contextlib.AbstractContextManager[None]:
        """(log key) Whoever acts remembers nothing of the log that would keep him from signing another."""
        return _at_home(self.folder / f"{self.turn}-{who}")

    # --- clients ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def client(self, name: str) -> Iterator[tuple[Registry, dict[str, Any]]]:
        """The registry as ``name`` of ``CLIENTS`` sees it, with the checks of its pulls."""
        settings = self._settings(name)
        if name != "fresh":
            settings = self._settings(name, trust_store=str(self.trust_store))
        with _at_home(settings.home.value), Registry.open(settings=settings) as registry:
            yield registry, {"lock": self.lock} if name == "locked" else {}

    def pull(self, client: str, reference: str = PRODUCTION) -> Outcome:
        """What ``client`` gets; see ``CLIENTS``."""
        self.pulls += 1
        with self.client(client) as (registry, checks):
            out = registry.settings.home.value / f"out-{self.pulls}"
            try:
                pulled = registry.pull(reference, out, **checks)
            except RefusedError as error:
                assert not out.exists()
                return Outcome(None, error.exit_status, _rules(error.verdict.refusals))
        return _taken(pulled)


@contextlib.contextmanager
def _at_home(folder: Path) -> Iterator[None]:
    """Whoever acts has a configuration folder of his own, where he remembers what he has seen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        yield


def _taken(pulled: Pulled) -> Outcome:
    (file,) = pulled.files
    return Outcome(BYTES[(pulled.folder / file).read_bytes()], 0, _rules(pulled.verdict.warnings))


def _rules(findings: tuple[Finding, ...]) -> frozenset[str]:
    """Of corruption, trust and policy; what kind of file it is does not matter here."""
    return frozenset(found.rule for found in findings if found.rule < "MR3" or found.rule >= "MR5")


def _in_a_year() -> str:
    return (dt.datetime.now(dt.UTC) + dt.timedelta(days=365)).strftime("%Y-%m-%dT%H:%M:%SZ")
