"""Facts for a person to read; ``show`` and ``inspect`` print the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelreg_cli.result import Block, Column, Fields, Table
from modelreg_cli.wording import counted

if TYPE_CHECKING:
    from modelreg import Facts


def facts_blocks(facts: Facts, *, tensors: bool) -> tuple[Block, ...]:
    """Everything that is known of a model; its tensors as a table, or without ``tensors`` as a count."""
    tables = [_layers(facts), _custom_objects(facts), _lambdas(facts), _hazards(facts), _defects(facts)]
    if tensors:
        tables.append(_tensors(facts))
    return (_summary(facts), *(table for table in tables if table.rows))


def _summary(facts: Facts) -> Fields:
    training = {None: None, True: "present", False: "absent"}[facts.has_training_config]
    return Fields(
        (
            ("format", facts.container.value),
            ("file", facts.file),
            ("keras", facts.keras_version),
            ("backend", facts.backend),
            ("tensorflow", facts.tensorflow_version),
            ("training config", training),
            ("bytecode of", " or ".join(f"Python {python}" for python in facts.writer_pythons)),
            ("layers", counted(len(facts.layers), "layer") if facts.layers else None),
            ("tensors", counted(len(facts.tensors), "tensor") if facts.tensors else None),
            ("semantic digest", facts.semantic_digest),
        )
    )


def _layers(facts: Facts) -> Table:
    columns = (Column("LAYER"), Column("CLASS"), Column("PATH"))
    return Table(columns, [(layer.name, layer.class_name, layer.path) for layer in facts.layers])


def _custom_objects(facts: Facts) -> Table:
    columns = (Column("CUSTOM OBJECT"), Column("ROLE"), Column("MODULE"), Column("REGISTERED AS"), Column("WHERE"))
    rows = [
        (wanted.class_name, wanted.role, wanted.module or "", wanted.registered_name or "", wanted.where)
        for wanted in facts.custom_objects
    ]
    return Table(columns, rows)


def _lambdas(facts: Facts) -> Table:
    columns = (Column("LAMBDA"), Column("BYTECODE OF PYTHON"), Column("SOURCE"), Column("USES"), Column("PATH"))
    rows = [
        (
            code.layer,
            ", ".join(code.pythons) or "unreadable",
            " ".join((code.source or "").split()),
            ", ".join(code.names),
            code.path,
        )
        for code in facts.lambdas
    ]
    return Table(columns, rows)


def _hazards(facts: Facts) -> Table:
    columns = (Column("HAZARD"), Column("WHERE"), Column("DETAIL"))
    return Table(columns, [(hazard.kind.value, hazard.where, hazard.detail) for hazard in facts.hazards])


def _defects(facts: Facts) -> Table:
    columns = (Column("DEFECT"), Column("FILE"), Column("DETAIL"))
    return Table(columns, [(defect.kind.value, defect.file, defect.detail) for defect in facts.defects])


def _tensors(facts: Facts) -> Table:
    columns = (
        Column("TENSOR"),
        Column("SHAPE"),
        Column("DTYPE"),
        Column("OFFSET", right=True),
        Column("BYTES", right=True),
    )
    rows = [
        (
            tensor.path,
            "x".join(str(length) for length in tensor.shape) or "scalar",
            tensor.dtype,
            f"{tensor.extents[0].offset:,}" if tensor.extents else "",
            f"{sum(extent.size_bytes for extent in tensor.extents):,}" if tensor.extents else "",
        )
        for tensor in facts.tensors
    ]
    return Table(columns, rows)
