"""YAML: the tags that import are told, those that Keras itself wrote are not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from modelreg.facts import HazardKind
from modelreg.inspect.source import SourceFile
from modelreg.inspect.yaml_text import yaml_hazards

Source = Callable[..., SourceFile]
BENIGN = """backend: tensorflow
class_name: Sequential
config:
  layers:
  - class_name: Dense
    config:
      batch_input_shape: !!python/tuple [null, 784]
      name: !!python/unicode 'dense'
  name: sequential
keras_version: 2.4.0
"""


@pytest.mark.parametrize(
    "text",
    [
        "class_name: !!python/object/apply:os.system ['id']\n",
        "config:\n  x: !!python/object/new:subprocess.Popen [id]\n",
        "a: !!python/name:os.system\n",
        "a: !!python/module:os\n",
        "a: !<tag:yaml.org,2002:python/object/apply:os.system> ['id']\n",
        "a: !!%70ython/object/apply:os.system ['id']\n",
        "%TAG ! tag:yaml.org,2002:python/\n---\na: !object/apply:os.system ['id']\n",
        "%TAG !p! tag:yaml.org,2002:\n---\na: !p!python/object/apply:os.system ['id']\n",
        BENIGN + "x: !!python/object:os.x {}\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_a_tag_that_imports_is_told(source: Source, text: str, encoding: str) -> None:
    """In each of YAML's spellings and encodings (CVE-2021-37678)."""
    told = list(yaml_hazards(source(text.encode(encoding), "m.yaml")))
    assert [(hazard.kind, hazard.where) for hazard in told] == [(HazardKind.YAML_CONFIG, "m.yaml")]


@pytest.mark.parametrize(
    "text",
    [BENIGN, "", "python/object", "see https://example.org/!/python/objects", "a: !mine/python 3", "\0!!python/object"],
)
def test_what_keras_wrote_is_not_told(source: Source, text: str) -> None:
    """Tuples and texts of Python 2 are tagged too; other text is not YAML."""
    assert list(yaml_hazards(source(text.encode(), "m.yaml"))) == []
