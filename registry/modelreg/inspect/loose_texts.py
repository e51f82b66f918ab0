"""Reads the texts that lie in a folder beside a model: configurations, weight maps, YAML.

Keras 3 loads a folder with ``config.json`` in it (``saving_lib._load_model_from_dir``), and weights by a map
``X.weights.json`` (``ShardedH5IOStore``, since 3.10), so what such a text says counts though it is no model by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from modelreg.configuration import JsonValue
from modelreg.facts import DefectKind, Hazard, LambdaCode
from modelreg.inspect import limits
from modelreg.inspect.config import read_model_config
from modelreg.inspect.config_hazards import weight_map_hazards
from modelreg.inspect.json_text import BadJsonError, parse_json_text
from modelreg.inspect.sniff import Sniffed
from modelreg.inspect.source import SourceFile
from modelreg.inspect.yaml_text import yaml_hazards


def read_loose_texts(
    files: Iterable[tuple[SourceFile, Sniffed]],
) -> tuple[tuple[LambdaCode, ...], tuple[Hazard, ...]]:
    """The stored functions and the hazards in ``files``; a text that cannot be parsed has neither."""
    lambdas: list[LambdaCode] = []
    hazards: list[Hazard] = []
    for file, sniffed in files:
        hazards.extend(yaml_hazards(file))
        if sniffed.defect is DefectKind.JSON_DOCUMENT and file.size_bytes <= limits.CONFIG_SIZE_BYTES_MAX:
            data = file.read_at(0, file.size_bytes)
            value = _parsed(data)
            if isinstance(value, dict) and isinstance(value.get("class_name"), str):
                read = read_model_config(data, file=file.path)
                lambdas.extend(read.lambdas)
                hazards.extend(in_file(file.path, read.hazards))
            else:
                hazards.extend(weight_map_hazards(value, where=file.path))
    return tuple(lambdas), tuple(hazards)


def in_file(path: str, hazards: Iterable[Hazard]) -> Iterator[Hazard]:
    """The hazards with the file's path before their own places."""
    return (each if each.where == path else replace(each, where=f"{path}: {each.where}") for each in hazards)


def _parsed(data: bytes) -> JsonValue:
    try:
        return parse_json_text(data).value
    except BadJsonError:
        return None
