"""Which manifests are the versions of a model: decided by what they say of each other, pure and without any guess.

Each version names the manifest before it, and it took that name from the database: so a manifest that a later version
names was committed, and one beside it was not.  The walk goes from the newest number down.  Where nothing names a
version, as at the top, a manifest that is alone is taken, and of several none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelreg.client.care import Loss, LossKind
from modelreg.manifest import IndexEntry

if TYPE_CHECKING:
    from modelreg.db.rows import VersionRows

TAKE = "modelreg db rebuild --take sha256:..., with the one that is known to be right"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A manifest as far as it matters here.

    ``is_file`` if it is also a file of some model, so that anybody who pushes can have made it.
    """

    rows: VersionRows
    previous: str | None
    registry: str
    is_file: bool = False

    @property
    def entry(self) -> IndexEntry:
        """What the index would list."""
        return self.rows.entry


@dataclass(slots=True)
class Lineage:
    """What was decided of one model: ``chosen`` versions from the newest down, and manifests that were none.

    ``known`` of the manifests were listed in the database before.
    """

    chosen: list[Candidate] = field(default_factory=list)
    unnamed: list[Candidate] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    known: int = 0


def decide(
    model: str, candidates: Iterable[Candidate], pinned: Mapping[int, str], taken: frozenset[str] = frozenset()
) -> Lineage:
    """The versions of ``model``; ``pinned`` are those of a database, ``taken`` the digests that a person chose."""
    found, by_number = Lineage(), _by_number(candidates)
    named: str | None = None
    above: int | None = None
    for number in sorted(by_number.keys() | pinned.keys(), reverse=True):
        if above is not None and number < above - 1:
            found.losses.append(_gap(model, number + 1, above - 1, named))
            named = None
        here = by_number.get(number, [])
        wanted = pinned.get(number, named)
        if wanted is not None:
            named = _take_named(found, model, number, here, wanted, is_listed=number in pinned)
        else:
            named = _take_unnamed(found, model, number, here, taken)
        above = number
    if above is not None and above > 1:
        found.losses.append(_gap(model, 1, above - 1, named))
    return found


def _by_number(candidates: Iterable[Candidate]) -> dict[int, list[Candidate]]:
    found: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        found.setdefault(candidate.entry.version, []).append(candidate)
    return found


def _take_named(
    found: Lineage, model: str, number: int, here: list[Candidate], wanted: str, *, is_listed: bool
) -> str | None:
    """Take the manifest that the database or the version after it names; what that one names in turn."""
    found.unnamed += [candidate for candidate in here if candidate.entry.digest != wanted]
    right = next((candidate for candidate in here if candidate.entry.digest == wanted), None)
    if right is None:
        if not is_listed:
            found.losses.append(_gap(model, number, number, wanted))
        return None
    if is_listed:
        found.known += 1
    else:
        found.chosen.append(right)
    return right.previous


def _take_unnamed(found: Lineage, model: str, number: int, here: list[Candidate], taken: frozenset[str]) -> str | None:
    """Take the only manifest that can be meant, if there is one; what it names, or what all that there are name."""
    fit = [candidate for candidate in here if candidate.entry.digest in taken]
    fit = fit or [candidate for candidate in here if not candidate.is_file]
    if len(fit) == 1:
        found.chosen += fit
        found.unnamed += [candidate for candidate in here if candidate not in fit]
        return fit[0].previous
    found.losses.append(_conflict(model, number, fit) if fit else _doubt(model, number, here))
    before = {candidate.previous for candidate in fit}
    return before.pop() if len(before) == 1 else None


def _gap(model: str, first: int, last: int, named: str | None) -> Loss:
    which = f"version {first} is" if first == last else f"versions {first} to {last} are"
    known = f"; the manifest of version {last} was sha256:{named}" if named else ""
    return Loss(
        LossKind.GAP,
        f"{model}: {which} lost, the store has no manifest of it{known}",
        (f"{model}:{first}", f"{model}:{last}")[: 1 if first == last else 2],
        (named,) if named else (),
        "put the blob back from another store or a pulled copy, then modelreg db rebuild --add",
    )


def _conflict(model: str, number: int, manifests: list[Candidate]) -> Loss:
    digests = tuple(sorted(candidate.entry.digest for candidate in manifests))
    shown = " and ".join(f"sha256:{digest}" for digest in digests[:4]) + (" and more" if len(digests) > 4 else "")
    what = f"{model}:{number} has {len(digests)} manifests and no later version says which was committed: {shown}"
    return Loss(LossKind.CONFLICT, what, (f"{model}:{number}",), digests, TAKE)


def _doubt(model: str, number: int, manifests: list[Candidate]) -> Loss:
    digests = tuple(sorted(candidate.entry.digest for candidate in manifests))
    what = f"{model}:{number} was not taken: its manifest sha256:{digests[0]} was pushed as a file of some model too"
    return Loss(LossKind.DOUBTFUL, f"{what}, so anybody can have written it", (f"{model}:{number}",), digests, TAKE)
