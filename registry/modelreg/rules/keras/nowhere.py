"""Whether a file's own writer reads it back: asked at push, when the model is still at hand and can be saved anew."""

from __future__ import annotations

from collections.abc import Iterator

from modelreg.environment.document import Environment
from modelreg.facts import Facts
from modelreg.findings import Finding, Outcome, Severity
from modelreg.rules.catalogue import RULES
from modelreg.rules.keras.loading import load_findings
from modelreg.rules.keras.reader import numbers, reader_of

_ASIDE = frozenset({"MR405", "MR406", "MR408", "MR428"})
"""What another suffix or loader mends, and what is said already."""


def nowhere_findings(facts: Facts) -> Iterator[Finding]:
    """MR428 where the Keras that the file names as its writer fails to load it for a reason in the file itself.

    ``-tf`` versions are TensorFlow's own count and name no release.
    """
    version = facts.keras_version
    if version is None or version.endswith("-tf"):
        return
    distribution = "tf-keras" if (2, 16) <= numbers(version) < (3,) else "keras"
    reader = reader_of(Environment(distributions={distribution: version}))
    if reader is None:
        return
    findings = list(load_findings(facts, reader, frozenset()))
    yield from (finding for finding in findings if finding.rule == "MR428")
    for finding in findings:
        fails = finding.severity is Severity.REFUSE and finding.outcome in (Outcome.LOAD_ERROR, Outcome.OTHER_NUMBERS)
        is_mended_by_import = finding.rule == "MR417" and not reader.is_keras3
        if fails and finding.rule not in _ASIDE and not is_mended_by_import:
            yield RULES["MR428"].found(
                f"not even {reader}, which wrote it, loads it: {finding.message}",
                where=finding.where,
                outcome=finding.outcome,
            )
            return
