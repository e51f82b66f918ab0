"""Facets: what of a manifest versions are looked for by, as short texts that an index can hold.

    kind    key                 value
    format                      the container: keras-zip
    has     a trait: lambda
    meta    a metadata key
    meta=   a metadata key      its value
    env     a distribution      its version, and so python, keras and tensorflow

The environment is first what the file itself tells of who wrote it, and for all else the environment that was recorded
at push.  ``keras`` and ``tensorflow`` count under whichever of their names they were installed.
"""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from modelreg.digest import sha256_hex
from modelreg.environment.document import Environment
from modelreg.environment.specifiers import Specifier, parse_specifier
from modelreg.errors import UsageError
from modelreg.facts import Container, Facts
from modelreg.manifest import Manifest

TEXT_LENGTH_MAX = 200
"""A longer text is indexed by its SHA-256: it is found whole, and fits the page of any database."""


class FacetKind(enum.StrEnum):
    """What a facet is about."""

    FORMAT = "format"
    TRAIT = "has"
    METADATA_KEY = "meta"
    METADATA = "meta="
    ENVIRONMENT = "env"


class Trait(enum.StrEnum):
    """What a version can have."""

    LAMBDA = "lambda"
    """Stored bytecode."""
    CUSTOM = "custom"
    """Classes or functions that the loader must provide."""
    GOLDEN = "golden"
    """Golden predictions."""
    HAZARD = "hazard"
    WEIGHTS_ONLY = "weights-only"
    NONFINITE = "nonfinite"
    """Weights that are NaN or infinite."""


@dataclass(frozen=True, slots=True, order=True)
class Facet:
    """One thing that a version can be found by."""

    kind: FacetKind
    key: str
    value: str


def facets_of(manifest: Manifest) -> tuple[Facet, ...]:
    """Every facet of a version, sorted, each once."""
    found = {Facet(FacetKind.FORMAT, "", manifest.facts.container.value)}
    found |= {Facet(FacetKind.TRAIT, trait.value, "") for trait in _traits(manifest)}
    for key, value in manifest.metadata.items():
        found.add(Facet(FacetKind.METADATA_KEY, kept(key), ""))
        found.add(Facet(FacetKind.METADATA, kept(key), kept(value)))
    versions: dict[str, str] = {}
    for environment in (manifest.push, manifest.writer):
        if environment is not None:
            versions |= dict(_versions(environment))
    found |= {Facet(FacetKind.ENVIRONMENT, kept(name), kept(version)) for name, version in versions.items()}
    return tuple(sorted(found))


def _traits(manifest: Manifest) -> Iterator[Trait]:
    facts: Facts = manifest.facts
    has = {
        Trait.LAMBDA: facts.lambdas,
        Trait.CUSTOM: facts.custom_objects,
        Trait.GOLDEN: manifest.golden,
        Trait.HAZARD: facts.hazards,
        Trait.WEIGHTS_ONLY: facts.container.holds_weights_only,
        Trait.NONFINITE: any(tensor.nonfinite for tensor in facts.tensors),
    }
    return (trait for trait, found in has.items() if found)


def _versions(environment: Environment) -> Iterator[tuple[str, str]]:
    yield from environment.distributions.items()
    told = {"python": environment.python, "keras": environment.keras, "tensorflow": environment.tensorflow}
    yield from ((name, version) for name, version in told.items() if version)


def kept(text: str) -> str:
    """``text`` as an index holds it: short, normalised as in a manifest, without NULs, which no database takes."""
    text = unicodedata.normalize("NFC", text)
    return text if len(text) <= TEXT_LENGTH_MAX and "\0" not in text else f"sha256:{sha256_hex(text.encode())}"


@dataclass(frozen=True, slots=True)
class Condition:
    """One of ``facets``, or where ``specifier`` is given, of an environment's facets one that it allows."""

    facets: tuple[Facet, ...]
    specifier: Specifier | None = None


@dataclass(frozen=True, slots=True)
class VersionFilter:
    """Which versions to list: those for which every condition holds, the rarest likely first."""

    conditions: tuple[Condition, ...] = ()


def parse_filter(
    *,
    formats: Iterable[str] = (),
    metadata: Iterable[str] = (),
    environments: Iterable[str] = (),
    has: Iterable[str] = (),
) -> VersionFilter:
    """The filter for texts of the command line: ``keras-zip``, ``KEY`` or ``KEY=VALUE``, ``keras<3``, ``lambda``.

    Several formats are alternatives; all else must hold together.  Raises ``UsageError`` that names what is known.
    """
    conditions = [Condition((Facet(FacetKind.TRAIT, _known(Trait, text, "--has"), ""),)) for text in has]
    for text in metadata:
        key, mark, value = text.partition("=")
        if not key or _is_broken(text):
            hint = "--meta owner, or --meta owner=risk-team"
            raise UsageError(f"--meta {text!r} names no key in valid text", hint=hint)
        kind = FacetKind.METADATA if mark else FacetKind.METADATA_KEY
        conditions.append(Condition((Facet(kind, kept(key), kept(value)),)))
    conditions += [Condition((), parse_specifier(text)) for text in environments]
    wanted = sorted({_known(Container, text, "--format") for text in formats})
    if wanted:
        conditions.append(Condition(tuple(Facet(FacetKind.FORMAT, "", value) for value in wanted)))
    return VersionFilter(tuple(conditions))


def _is_broken(text: str) -> bool:
    """Whether bytes that are no UTF-8 stood in the argument, as Python lets them through."""
    return any(unicodedata.category(char) == "Cs" for char in text)


def _known(kind: type[Container] | type[Trait], text: str, option: str) -> str:
    names = [member.value for member in kind]
    plain = text.strip().lower().replace("_", "-")
    if plain in names:
        return plain
    raise UsageError(f"{option} {text!r} is none of: {', '.join(names)}", hint=f"{option} {names[0]}")
