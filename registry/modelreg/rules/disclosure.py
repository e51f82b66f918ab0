"""MR210: what a manifest must have told, and what it must not have said otherwise, once its files are read again.

Another modelreg may have written the manifest: it may have known fewer hazards than this one, and put things in other
words.  So what only one of the two tells counts only where it is dangerous and the files tell it; what both tell of the
same thing must agree.
"""

from __future__ import annotations

from collections.abc import Iterator

from modelreg.facts import Facts, LambdaCode
from modelreg.findings import Finding
from modelreg.rules.catalogue import RULES

_AGREEING = ("container", "keras_version", "backend", "config", "training_config")
"""What judgements hang on and every release writes alike; of it a manifest may be silent."""


def hidden(told: Facts, found: Facts) -> Iterator[Finding]:
    """Findings for what ``found`` in the files and the manifest does not tell, or tells otherwise."""
    rule = RULES["MR210"]
    for name in _AGREEING:
        said, true = getattr(told, name), getattr(found, name)
        if said is not None and said != true:
            yield rule.found(f"the manifest says {name} = {_short(said)}, the files say {_short(true)}")
    yield from _hidden_lambdas(told, found)
    told_hazards = {(hazard.kind, hazard.where) for hazard in told.hazards}
    for hazard in found.hazards:
        if (hazard.kind, hazard.where) not in told_hazards:
            message = f"the manifest does not tell of this hazard ({hazard.kind}): {hazard.where}: {hazard.detail}"
            yield rule.found(message, where=hazard.where)
    told_objects = {(wanted.class_name, wanted.module, wanted.registered_name) for wanted in told.custom_objects}
    for wanted in found.custom_objects:
        if (wanted.class_name, wanted.module, wanted.registered_name) not in told_objects:
            message = (
                f"the manifest does not tell of the {wanted.role} {wanted.class_name!r}, which is not part of Keras"
            )
            yield rule.found(message, where=wanted.where)
    told_defects = {(defect.kind, defect.file) for defect in told.defects}
    for defect in found.defects:
        if (defect.kind, defect.file) not in told_defects:
            yield rule.found(f"the manifest does not tell that {defect.file} is damaged: {defect.detail}")


def _hidden_lambdas(told: Facts, found: Facts) -> Iterator[Finding]:
    codes: dict[tuple[str, str], list[LambdaCode]] = {}
    for code in told.lambdas:
        codes.setdefault((code.path, code.argument), []).append(code)
    for code in found.lambdas:
        known = codes.get((code.path, code.argument), [])
        if not known:
            message = f"the manifest does not tell of the bytecode in layer {code.layer!r} ({code.argument})"
        elif not any(_may_be_same(code, other) for other in known):
            pythons = " or ".join(known[0].pythons) or "none"
            message = (
                f"the manifest says that the bytecode in layer {code.layer!r} is of Python {pythons}, "
                f"the files say {' or '.join(code.pythons) or 'none'}"
            )
        else:
            continue
        yield RULES["MR210"].found(message, where=f"layer {code.path!r} (Lambda)")


def _may_be_same(one: LambdaCode, other: LambdaCode) -> bool:
    """The true writer is among the Pythons of both, whichever release named them."""
    return not (one.pythons or other.pythons) or bool({*one.pythons} & {*other.pythons})


def _short(value: object) -> str:
    text = repr(str(value)) if value is not None else "nothing"
    return text if len(text) <= 80 else text[:77] + "..."
