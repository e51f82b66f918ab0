"""The environment of a model: captured, described by a document, compared."""

from __future__ import annotations

from modelreg.environment.capture import capture
from modelreg.environment.compare import Difference, diff
from modelreg.environment.document import Environment, from_document, to_document
from modelreg.environment.target import interpreter_of_target, resolve_target

__all__ = [
    "Difference",
    "Environment",
    "capture",
    "diff",
    "from_document",
    "interpreter_of_target",
    "resolve_target",
    "to_document",
]
