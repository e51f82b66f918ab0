"""Version specifiers: ``keras<3``, as pip takes them, asked about one distribution of an environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelreg.errors import UsageError

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

SPECIFIER_LENGTH_MAX = 256


@dataclass(frozen=True, slots=True)
class Specifier:
    """A distribution's normalised name (PEP 503), and which of its versions are wanted."""

    name: str
    versions: SpecifierSet

    def allows(self, version: str) -> bool:
        """Whether ``version`` is wanted; a pre-release is a version like others, and a text that is none is not."""
        from packaging.version import InvalidVersion, Version

        try:
            return self.versions.contains(Version(version), prereleases=True)
        except InvalidVersion:
            return not str(self.versions)


def parse_specifier(text: str) -> Specifier:
    """Read ``keras<3`` or ``tensorflow>=2.4,<2.6``; a bare name takes any version.  Raises ``UsageError``."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        wanted = Requirement(text if len(text) <= SPECIFIER_LENGTH_MAX else "")
    except InvalidRequirement:
        wanted = None
    if wanted is None or wanted.marker is not None or wanted.url is not None or wanted.extras:
        raise UsageError(
            f"--env {text[:80]!r} is no distribution with versions", hint="--env 'keras<3', or --env 'python==3.8.*'"
        )
    return Specifier(canonicalize_name(wanted.name), wanted.specifier)
