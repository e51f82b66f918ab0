"""Each rule by its id: one case that has it, one that is as near as can be and has it not.

A table, and so longer than 400 lines; the rules about loading have one of their own in ``keras``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from modelreg.environment.document import Environment
from modelreg.facts import (
    Container,
    CustomObject,
    Defect,
    DefectKind,
    Facts,
    Hazard,
    HazardKind,
    LambdaCode,
    Layer,
    Tensor,
)
from modelreg.findings import Finding, Severity
from modelreg.rules import RULES, Mode, Policy, Purpose, Target, judge
from modelreg.rules.content import _DEFECT_RULES, _HAZARD_RULES

PULL, LOAD = Policy(), Policy(purpose=Purpose.LOAD)


def target(python: str | None = "3.11.7", **distributions: str) -> Target:
    named = {name.replace("_", "-"): version for name, version in distributions.items()}
    return Target("there", Environment(python=python, distributions=named))


def facts(container: Container = Container.KERAS_HDF5, file: str = "m.h5", **more: object) -> Facts:
    return Facts(container, file, **more)  # type: ignore[arg-type]


def scale(*pythons: str, names: tuple[str, ...] = ()) -> Facts:
    return facts(keras_version="3.15.1", lambdas=(LambdaCode("scale", "outer/scale", pythons, names),))


def ambiguous(*pythons: str) -> Facts:
    code = LambdaCode("scale", "outer/scale", pythons, interchangeable=False)
    return facts(keras_version="3.15.1", lambdas=(code,))


def made_in_a_loop(*values: str) -> Facts:
    """Facts of as many Lambdas as values, each of which captured ``i``."""
    return facts(
        lambdas=tuple(
            LambdaCode(
                f"part_{index}",
                f"m/part_{index}",
                ("3.11",),
                source="lambda x: x[:, i]",
                free_variables=("i",),
                closure=(value,),
            )
            for index, value in enumerate(values)
        )
    )


PARTS = made_in_a_loop("2", "2").lambdas


@dataclass(frozen=True)
class Case:
    name: str
    rule: str
    having: Facts
    lacking: Facts
    policy: Policy = PULL
    target: Target | None = None
    lacking_target: Target | None = None
    push: Environment | None = None
    lacking_policy: Policy | None = None
    severity: Severity | None = None
    says: tuple[str, ...] = field(default=())

    def found(self) -> list[Finding]:
        return [f for f in judge(self.having, self.policy, self.target, self.push) if f.rule == self.rule]

    def found_lacking(self) -> list[Finding]:
        other = self.lacking_target or self.target
        return [
            f for f in judge(self.lacking, self.lacking_policy or self.policy, other, self.push) if f.rule == self.rule
        ]


KERAS_2 = target(tensorflow="2.13.1", keras="2.13.1")
KERAS_3 = target(tensorflow_cpu="2.21.0", keras="3.15.1")
PLAIN = facts(keras_version="3.15.1")
IMPLIED = Target("current", Environment(python="3.11.7"), is_implied=True)
TWICE = CustomObject("Twice", "layer", "m/twice", "my_package.layers", "my_package>Twice")
MY_LOSS = CustomObject("my_loss", "loss", "training_config")
NEEDS_TWICE = facts(keras_version="3.15.1", custom_objects=(TWICE,))
SAVED = facts(Container.SAVED_MODEL, ".", tensorflow_version="2.13.1")
WEIGHTS = facts(Container.KERAS_HDF5_WEIGHTS, "w.h5", tensors=(Tensor("k", (1,), "float32", "w.h5"),))

CASES = [
    Case(
        "stored bytecode warns",
        "MR301",
        scale("3.11", names=("tf", "abs")),
        PLAIN,
        severity=Severity.WARN,
        says=("'scale'", "tf, abs"),
    ),
    Case(
        "safe mode refuses a Lambda",
        "MR310",
        scale("3.11"),
        PLAIN,
        policy=Policy(purpose=Purpose.LOAD, safe_mode=True),
        severity=Severity.REFUSE,
    ),
    Case(
        "without safe mode a Lambda is for Keras to load",
        "MR310",
        scale("3.11"),
        scale("3.11"),
        Policy(Purpose.LOAD, safe_mode=True),
        lacking_policy=LOAD,
    ),
    Case(
        "a pull does not know of safe mode",
        "MR310",
        scale("3.11"),
        scale("3.11"),
        Policy(Purpose.LOAD, safe_mode=True),
        lacking_policy=Policy(safe_mode=True),
    ),
    Case(
        "another layout group",
        "MR401",
        scale("3.8", "3.9"),
        scale("3.11"),
        target=target(),
        severity=Severity.REFUSE,
        says=("'scale'", "3.8 or 3.9", "3.11.7", "bad marshal data"),
    ),
    Case(
        "the same layout group",
        "MR401",
        scale("3.12"),
        scale("3.11", "3.12"),
        target=target(),
        says=("without an error",),
    ),
    Case(
        "the Python that wrote it",
        "MR401",
        scale("3.8"),
        scale("3.8"),
        target=target(),
        lacking_target=target("3.8.18"),
    ),
    Case("two layout groups away", "MR401", scale("2.7"), scale(), target=target(), says=("bad marshal data",)),
    Case(
        "two candidates",
        "MR402",
        ambiguous("3.11", "3.12"),
        scale("3.11"),
        target=target(),
        severity=Severity.WARN,
        says=("3.11 or 3.12",),
    ),
    Case(
        "two candidates that run it alike",
        "MR402",
        scale("3.11", "3.12"),
        scale("3.11"),
        target=target(),
        severity=Severity.INFO,
    ),
    Case(
        "two candidates and neither",
        "MR402",
        scale("3.6", "3.7"),
        scale("3.6", "3.7"),
        target=target("3.7"),
        lacking_target=target("3.8"),
    ),
    Case(
        "a target without a Python",
        "MR407",
        scale("3.11"),
        PLAIN,
        target=target(None),
        severity=Severity.WARN,
        says=("'there'",),
    ),
    Case(
        "a target with a Python",
        "MR407",
        scale("3.11"),
        scale("3.11"),
        target=target(None),
        lacking_target=target("3.11"),
    ),
    Case(
        "Keras 3 file for Keras 2",
        "MR403",
        PLAIN,
        facts(keras_version="2.13.1"),
        target=KERAS_2,
        severity=Severity.REFUSE,
        says=("3.15.1", "Keras 2.13.1"),
    ),
    Case(
        "Keras 3 file for an old TensorFlow",
        "MR403",
        PLAIN,
        PLAIN,
        target=target(tensorflow="2.15.1"),
        lacking_target=target(tensorflow="2.16.1"),
    ),
    Case(
        "Keras 2 archive for Keras 3",
        "MR404",
        facts(Container.KERAS_ZIP, "m.keras", keras_version="2.13.1"),
        facts(Container.KERAS_ZIP, "m.keras", keras_version="3.0.0"),
        target=KERAS_3,
        severity=Severity.INFO,
    ),
    Case(
        "SavedModel for Keras 3",
        "MR405",
        SAVED,
        PLAIN,
        target=KERAS_3,
        severity=Severity.REFUSE,
        says=("2.13.1", "Keras 3.15.1"),
    ),
    Case(
        "SavedModel for Keras 2",
        "MR405",
        SAVED,
        replace(SAVED, layers=(Layer("m", "Sequential", "m"),)),
        target=KERAS_3,
        lacking_target=KERAS_2,
    ),
    Case("SavedModel for load", "MR405", SAVED, PLAIN, policy=LOAD, target=KERAS_3, severity=Severity.INFO),
    Case(
        "HDF5 named keras",
        "MR406",
        facts(file="m.keras", keras_version="2.6.0"),
        facts(file="m.h5", keras_version="2.6.0"),
        target=KERAS_3,
        severity=Severity.REFUSE,
    ),
    Case(
        "HDF5 named keras for load",
        "MR406",
        facts(file="m.keras"),
        facts(file="m.h5"),
        target=KERAS_3,
        policy=LOAD,
        severity=Severity.INFO,
    ),
    Case(
        "bytecode saved on Windows",
        "MR434",
        facts(lambdas=(LambdaCode("l", "m/l", ("3.8",), filename="C:/models/train.py"),)),
        facts(lambdas=(LambdaCode("l", "m/l", ("3.8",), filename="/models/train.py"),)),
        severity=Severity.WARN,
        says=("'l'", "C:/models/train.py"),
    ),
    Case(
        "Lambdas made in a loop that captured its counter",
        "MR435",
        made_in_a_loop("2", "2", "2"),
        made_in_a_loop("0", "1", "2"),
        severity=Severity.WARN,
        says=("'part_0', 'part_1' and 1 more", "'i'", "which is 2 in all of them"),
    ),
    Case(
        "Lambdas made in a loop that read its counter from the module",
        "MR435",
        facts(lambdas=tuple(replace(part, free_variables=(), closure=None, globals=("i",)) for part in PARTS)),
        facts(lambdas=tuple(replace(part, free_variables=(), closure=None, globals=("tf",)) for part in PARTS)),
        severity=Severity.WARN,
        says=("'part_0' and 'part_1'", "'i'", "whatever it is"),
    ),
    Case(
        "bytecode damaged on Windows",
        "MR307",
        facts(lambdas=(LambdaCode("l", "m/l", ("3.8",), mangled="undone"),)),
        facts(lambdas=(LambdaCode("l", "m/l", ("3.8",)),)),
        says=("'l'", "0x5C"),
    ),
    Case(
        "instructions of no Python",
        "MR307",
        facts(lambdas=(LambdaCode("l", "m/l", ("3.8",), bad_opcodes=("47 at 2",)),)),
        facts(lambdas=(LambdaCode("l", "m/l", ("3.8",)),)),
        says=("'l'", "47 at 2"),
    ),
    Case(
        "weights that are not finite",
        "MR433",
        facts(tensors=(Tensor("d/kernel:0", (2,), "float32", "m.h5", nonfinite=2),)),
        facts(tensors=(Tensor("d/kernel:0", (2,), "float32", "m.h5"),)),
        severity=Severity.WARN,
        says=("'d/kernel:0'", "2"),
    ),
    Case(
        "old weights only",
        "MR410",
        WEIGHTS,
        PLAIN,
        severity=Severity.WARN,
        says=("holds weights only", "`load_weights`"),
    ),
    Case(
        "new weights only for load",
        "MR410",
        facts(Container.KERAS_V3_WEIGHTS),
        PLAIN,
        policy=LOAD,
        severity=Severity.REFUSE,
    ),
    Case("unknown format", "MR411", facts(Container.OPAQUE, "x.bin"), PLAIN, severity=Severity.WARN, says=("x.bin",)),
    Case("HDF5 of nobody for load", "MR411", facts(Container.HDF5), PLAIN, policy=LOAD, severity=Severity.REFUSE),
    Case(
        "damage says enough",
        "MR411",
        facts(Container.OPAQUE),
        facts(Container.OPAQUE, defects=(Defect(DefectKind.EMPTY, "m.h5", "0 bytes"),)),
    ),
    Case("TensorFlow Lite", "MR412", facts(Container.TFLITE), PLAIN, severity=Severity.INFO, says=("TensorFlow Lite",)),
    Case("ONNX for load", "MR412", facts(Container.ONNX), PLAIN, policy=LOAD, severity=Severity.REFUSE, says=("ONNX",)),
    Case(
        "a custom layer",
        "MR420",
        NEEDS_TWICE,
        PLAIN,
        severity=Severity.WARN,
        says=("'my_package>Twice'", "'my_package.layers'"),
    ),
    Case(
        "a custom layer that is not provided",
        "MR420",
        NEEDS_TWICE,
        NEEDS_TWICE,
        policy=Policy(provides=frozenset()),
        lacking_policy=Policy(provides=frozenset({"Twice"})),
        severity=Severity.REFUSE,
        says=("and does not",),
    ),
    Case(
        "a custom layer provided by its registered name",
        "MR420",
        NEEDS_TWICE,
        NEEDS_TWICE,
        lacking_policy=Policy(provides=frozenset({"my_package>Twice"})),
    ),
    Case(
        "a custom layer under verify",
        "MR420",
        NEEDS_TWICE,
        facts(custom_objects=(MY_LOSS,)),
        policy=Policy(mode=Mode.VERIFY),
        severity=Severity.WARN,
    ),
    Case(
        "a custom loss",
        "MR421",
        facts(custom_objects=(MY_LOSS,)),
        NEEDS_TWICE,
        severity=Severity.INFO,
        says=("'my_loss'",),
    ),
    Case(
        "a custom loss that is not provided",
        "MR421",
        facts(custom_objects=(MY_LOSS,)),
        PLAIN,
        policy=Policy(provides=frozenset()),
        severity=Severity.INFO,
    ),
    Case(
        "a target without Keras",
        "MR430",
        PLAIN,
        facts(Container.OPAQUE),
        target=target(),
        severity=Severity.WARN,
        says=("'there'",),
    ),
    Case(
        "an implied target without Keras",
        "MR430",
        PLAIN,
        PLAIN,
        target=IMPLIED,
        lacking_target=KERAS_3,
        severity=Severity.INFO,
    ),
    Case(
        "drift of versions",
        "MR431",
        PLAIN,
        PLAIN,
        target=target(numpy="2.4.6", tensorflow_cpu="2.21.0", keras="3.15.1"),
        lacking_target=target(numpy="1.26.4", tensorflow="2.21.0", keras="3.15.1"),
        push=Environment(python="3.11.7", distributions={"numpy": "1.26.4", "tensorflow": "2.21.0"}),
        severity=Severity.INFO,
        says=("numpy 1.26.4 -> 2.4.6",),
    ),
    *(
        Case(
            kind.value,
            rule,
            facts(defects=(Defect(kind, "m.h5", "why"),)),
            PLAIN,
            severity=RULES[rule].severity,
            says=("m.h5: why",),
        )
        for kind, rule in _DEFECT_RULES.items()
    ),
    *(
        Case(
            kind.value,
            rule,
            facts(hazards=(Hazard(kind, "there", "why"),)),
            PLAIN,
            severity=RULES[rule].severity,
            says=("why",),
        )
        for kind, rule in _HAZARD_RULES.items()
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule} {case.name}")
def test_the_rule_is_found_where_it_applies_and_only_there(case: Case) -> None:
    """Claim: the artifact that has the trait has the finding, with its severity and the actual values; the other not."""
    found = case.found()
    assert found, f"{case.rule} was not found"
    assert case.found_lacking() == []
    for text in case.says:
        assert text in found[0].message
    if case.severity is not None:
        assert {finding.severity for finding in found} == {case.severity}
    assert found[0].kind is RULES[case.rule].kind


def test_every_rule_that_judges_facts_has_a_case() -> None:
    """Claim: a rule that is added later needs its two cases here; the others are shown in test_verify."""
    elsewhere = {"MR101", "MR102", "MR103", "MR104", "MR105", "MR106", "MR201", "MR501"}
    elsewhere |= {"MR107", "MR210"}  # tests/integration/test_moving.py, test_disclosure.py
    elsewhere |= {
        "MR211",
        "MR212",
        *(f"MR{number}" for number in range(202, 210)),
    }  # unit/client: test_locks.py, test_pointing.py, test_trusting.py
    elsewhere |= {
        "MR408",
        *(f"MR{number}" for number in range(413, 420)),
        *(f"MR{number}" for number in range(422, 430)),
        "MR432",
    }
    elsewhere |= {"MR440", "MR441"}  # tests/integration/test_replay.py
    assert {case.rule for case in CASES} == set(RULES) - elsewhere


@pytest.mark.parametrize(
    "kinds", [(DefectKind, _DEFECT_RULES), (HazardKind, _HAZARD_RULES)], ids=["defects", "hazards"]
)
def test_every_kind_of_damage_and_hazard_has_a_rule(
    kinds: tuple[type[DefectKind | HazardKind], dict[object, str]],
) -> None:
    """Claim: a kind that a reader can report never ends as KeyError."""
    enumeration, table = kinds
    assert set(table) == set(enumeration)
