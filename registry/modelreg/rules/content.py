"""Rules on what the artifact is and holds, whatever the target: damage, dangerous content, what it is good for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from modelreg.facts import Container, DefectKind, Facts, HazardKind, LambdaCode
from modelreg.findings import Finding, Outcome, Severity
from modelreg.rules.catalogue import RULES
from modelreg.rules.policy import Policy, Purpose

_DEFECT_RULES = {
    DefectKind.EMPTY: "MR110",
    DefectKind.ZEROS: "MR110",
    DefectKind.GIT_LFS_POINTER: "MR111",
    DefectKind.HTML_PAGE: "MR112",
    DefectKind.XML_PAGE: "MR112",
    DefectKind.JSON_DOCUMENT: "MR112",
    DefectKind.GZIP: "MR113",
    DefectKind.TRUNCATED_HDF5: "MR114",
    DefectKind.TRUNCATED_ZIP: "MR115",
    DefectKind.DAMAGED_ZIP: "MR116",
    DefectKind.DAMAGED_HDF5: "MR117",
    DefectKind.DAMAGED_SAVED_MODEL: "MR117",
    DefectKind.DAMAGED_CONFIG: "MR117",
    DefectKind.DAMAGED_TFLITE: "MR117",
    DefectKind.DAMAGED_ONNX: "MR117",
    DefectKind.READER_DIED: "MR118",
    DefectKind.READER_TIMED_OUT: "MR118",
}

_HAZARD_RULES = {
    HazardKind.EXTERNAL_STORAGE: "MR302",
    HazardKind.EXTERNAL_LINK: "MR302",
    HazardKind.SOFT_LINK: "MR302",
    HazardKind.VIRTUAL_DATASET: "MR302",
    HazardKind.OVERSIZED_DATASET: "MR303",
    HazardKind.UNSAFE_MEMBER_NAME: "MR304",
    HazardKind.DUPLICATE_MEMBER: "MR304",
    HazardKind.UNEXPECTED_MEMBER: "MR305",
    HazardKind.USER_BLOCK: "MR305",
    HazardKind.EXECUTABLE_OP: "MR306",
    HazardKind.UNREADABLE_BYTECODE: "MR307",
    HazardKind.COMPRESSED_MEMBER: "MR308",
    HazardKind.TOO_MUCH: "MR308",
    HazardKind.NON_NUMERIC_DATASET: "MR309",
    HazardKind.FOREIGN_MODULE: "MR311",
    HazardKind.UNSAFE_FUNCTION: "MR312",
    HazardKind.UNSAFE_CLASS: "MR313",
    HazardKind.OUTSIDE_FILE: "MR314",
    HazardKind.UNSAFE_BYTECODE: "MR315",
    HazardKind.YAML_CONFIG: "MR316",
    HazardKind.UNSAFE_LAYER_NAME: "MR317",
    HazardKind.PICKLED_ARRAY: "MR318",
}


def damage(facts: Facts) -> Iterator[Finding]:
    """MR110 to MR118: the bytes are not the model that their name promises."""
    for defect in facts.defects:
        yield RULES[_DEFECT_RULES[defect.kind]].found(f"{defect.file}: {defect.detail}", where=defect.file)


def hazards(facts: Facts) -> Iterator[Finding]:
    """MR302 to MR309 and MR311 to MR318: content that executes, reaches outside, exhausts, or was not read."""
    for hazard in facts.hazards:
        yield RULES[_HAZARD_RULES[hazard.kind]].found(f"{hazard.where}: {hazard.detail}", where=hazard.where)


def stored_bytecode(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """MR301 and MR310: Lambda layers run code that came with the file."""
    for code in facts.lambdas:
        yield RULES["MR301"].found(
            f"layer {code.layer!r} executes Python bytecode stored in the file{_uses(code.names)}",
            where=lambda_place(code.path),
        )
        yield from _damaged_code(code)
        if policy.purpose is Purpose.LOAD and policy.safe_mode and facts.container is not Container.SAVED_MODEL:
            yield RULES["MR310"].found(
                f"layer {code.layer!r} is a Lambda, which Keras's safe mode does not load",
                where=lambda_place(code.path),
            )


_DRIVE = re.compile(r"[A-Za-z]:[/\\\\]")


def _damaged_code(code: LambdaCode) -> Iterator[Finding]:
    """MR307 and MR434: bytes that no Python writes, and what saving on Windows does to them."""
    place = lambda_place(code.path)
    if code.mangled == "undone":
        yield RULES["MR307"].found(
            f"layer {code.layer!r} was saved on Windows, where Keras writes each byte 0x5C of the code as 0x2F; as it "
            "is, no Python runs it; what it was could be worked out",
            where=place,
            fix="modelreg repair FILE -o OUT writes it as a named function; save models on Linux or macOS",
            outcome=Outcome.PREDICT_ERROR,
        )
    elif code.bad_opcodes:
        yield RULES["MR307"].found(
            f"layer {code.layer!r} has instructions that no Python has: {', '.join(code.bad_opcodes[:4])}",
            where=place,
            outcome=Outcome.PREDICT_ERROR,
        )
    elif code.mangled == "possible" or (code.filename and _DRIVE.match(code.filename)):
        yield RULES["MR434"].found(
            f"layer {code.layer!r} was saved on Windows ({code.filename!r}), where Keras writes each byte 0x5C of the "
            "code as 0x2F: a constant 92 would have become 47",
            where=place,
            outcome=Outcome.OTHER_NUMBERS,
        )


_COUNTERS = frozenset({"i", "j", "k", "n", "idx", "index", "ii", "jj"})
"""How people call the variable of a loop."""


def shared_counters(facts: Facts) -> Iterator[Finding]:
    """MR435: functions that were made in a loop and all see its last value (Keras's issues 13574 and 13697)."""
    groups: dict[tuple[object, ...], list[LambdaCode]] = {}
    for code in facts.lambdas:
        if code.source is not None and _counter(code):
            groups.setdefault((code.source, code.free_variables, code.closure), []).append(code)
    for codes in groups.values():
        if len(codes) > 1:
            first, second, *more = codes
            value = dict(zip(first.free_variables, first.closure or (), strict=False)).get(_counter(first) or "")
            yield RULES["MR435"].found(
                f"layers {first.layer!r}{f', {second.layer!r}' if more else f' and {second.layer!r}'}"
                + (f" and {len(more):,} more" if more else "")
                + f" take {_counter(first)!r} from around them"
                + (f", which is {value} in all of them" if value else ", whatever it is when they are called"),
                where=lambda_place(first.path),
                outcome=Outcome.OTHER_NUMBERS,
            )


def _counter(code: LambdaCode) -> str | None:
    """The name from around the function that is a loop's counter: a captured whole number, or a global so called."""
    captured = dict(zip(code.free_variables, code.closure or (), strict=False))
    numbers = (name for name, value in captured.items() if name in _COUNTERS and value.isdecimal())
    return next(numbers, None) or next((name for name in code.globals if name in _COUNTERS), None)


def _uses(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    shown = ", ".join(names[:8])
    return f"; it uses {shown}" + (" ..." if len(names) > 8 else "")


def lambda_place(path: str) -> str:
    """Where a Lambda sits, as every finding about one says it."""
    return f"layer {path!r} (Lambda)"


def usefulness(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """MR410 to MR412: what can be done with the artifact at all."""
    loading = policy.purpose in (Purpose.LOAD, Purpose.DIAGNOSE)
    if facts.defects:
        return
    if facts.container.holds_weights_only:
        yield RULES["MR410"].found(
            f"{facts.file} holds weights only ({len(facts.tensors):,} tensors, no architecture): build the model, then "
            "`load_weights`",
            where=facts.file,
            severity=Severity.REFUSE if loading else None,
        )
    elif facts.container in (Container.OPAQUE, Container.HDF5):
        kind = "an HDF5 file without Keras's marks" if facts.container is Container.HDF5 else "of no known format"
        yield RULES["MR411"].found(
            f"{facts.file} is {kind}: it is kept and verified, but nothing is known of its content",
            where=facts.file,
            severity=Severity.REFUSE if loading else None,
        )
    elif facts.container in (Container.TFLITE, Container.ONNX):
        yield RULES["MR412"].found(
            f"{facts.file} is a model for {'TensorFlow Lite' if facts.container is Container.TFLITE else 'ONNX'}, "
            "which Keras's load_model does not read",
            where=facts.file,
            severity=Severity.REFUSE if loading else None,
        )


def weights(facts: Facts) -> Iterator[Finding]:
    """MR433: weights that are NaN or infinite."""
    for tensor in facts.tensors:
        if tensor.nonfinite:
            yield RULES["MR433"].found(
                f"{tensor.path!r} has {tensor.nonfinite:,} values that are not finite",
                where=tensor.path,
                outcome=Outcome.OTHER_NUMBERS,
            )


def custom_objects(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """MR420 and MR421: classes and functions that Keras does not have."""
    for wanted in facts.custom_objects:
        rule = RULES["MR421" if wanted.needed_for_training_only else "MR420"]
        origin = f" from module {wanted.module!r}" if wanted.module else ""
        name = wanted.registered_name or wanted.class_name
        names = {wanted.class_name, name}
        if policy.provides is not None and names & policy.provides:
            continue
        missing = policy.provides is not None and not wanted.needed_for_training_only
        yield rule.found(
            f"{wanted.role} {name!r}{origin} is not part of Keras: the loader must provide it"
            + (", and does not" if missing else ""),
            where=wanted.where,
            fix=f"load with custom_objects={{{name!r}: ...}}"
            + (", or compile=False" if wanted.needed_for_training_only else ""),
            severity=Severity.REFUSE if missing else None,
        )
