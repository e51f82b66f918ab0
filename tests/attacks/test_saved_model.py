"""Attacks in a SavedModel: operations that reach outside, assets that lie elsewhere, bytecode in the metadata."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Build = Callable[..., Any]
GRAPH = "saved_model.pb"


def message(number: int, data: bytes | str) -> bytes:
    """One field of length-delimited protobuf."""
    content = data.encode() if isinstance(data, str) else data
    length, size = b"", len(content)
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def meta_graph(kit: Any, content: bytes) -> Any:
    """A real SavedModel with one more ``MetaGraphDef``."""
    folder: dict[str, bytes] = kit.folder("py38/savedmodel_plain")
    return {**folder, GRAPH: folder[GRAPH] + message(2, content)}


def operation(op: str, name: str = "bad", **attributes: str) -> Build:
    texts = (message(5, message(1, key) + message(2, message(2, value))) for key, value in attributes.items())
    node = message(1, name) + message(2, op) + b"".join(texts)
    return lambda kit: meta_graph(kit, message(2, message(1, node)))


def in_function(op: str) -> Build:
    """The operation hides in the function library."""
    function = message(1, message(1, "f")) + message(3, message(1, "bad") + message(2, op))
    return lambda kit: meta_graph(kit, message(2, message(2, message(1, function))))


def asset(name: str) -> Build:
    return lambda kit: meta_graph(kit, message(6, message(2, name)))


NODE = "graph, node bad"
ATTACKS: dict[str, tuple[Build, Build, str, str]] = {
    "SavedModel ReadFile": (operation("ReadFile"), operation("DecodeJpeg"), "MR314", NODE),
    "SavedModel WriteFile": (operation("WriteFile"), operation("SaveV2"), "MR314", NODE),
    "SavedModel WriteFile in a function": (
        in_function("WriteFile"), in_function("MergeV2Checkpoints"), "MR314", "function f, node bad",
    ),
    "SavedModel LoadDataset": (operation("LoadDataset"), operation("RestoreV2"), "MR314", NODE),
    "SavedModel RpcClient": (operation("RpcClient"), operation("StaticRegexFullMatch"), "MR314", NODE),
    "SavedModel print to a file": (
        operation("PrintV2", output_stream="file:///etc/x"), operation("PrintV2", output_stream="stderr"), "MR314", NODE,
    ),
    "SavedModel asset": (asset("../../etc/passwd"), asset("vocabulary.txt"), "MR314", "assets"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attack_is_refused(kit: Any, unsafe: Callable[..., Any], name: str) -> None:
    """With the node or the asset that it is about."""
    bad, _, rule, where = ATTACKS[name]
    assert unsafe(bad(kit)) == [(rule, where)]


@pytest.mark.parametrize("name", ATTACKS)
def test_its_look_alike_is_not_refused(kit: Any, unsafe: Callable[..., Any], name: str) -> None:
    assert unsafe(ATTACKS[name][1](kit)) == []


@pytest.mark.parametrize("op", ["PyFunc", "EagerPyFunc", "XlaCustomCallV2", "TFRecordDataset"])
def test_code_that_is_not_in_the_file_is_a_warning(
    kit: Any, facts_of: Callable[..., Any], verdict: Callable[..., Any], op: str
) -> None:
    """A graph that calls its writer's Python fails elsewhere; it does nothing of its own."""
    judged = verdict(facts_of(operation(op)(kit)))
    assert judged.exit == 0
    assert "MR306" in {finding.rule for finding in judged.warnings}
