"""Mends a model's configuration for another Keras: rewriting text, never weights, and running nothing of the file.

plan         what to change, in the order in which Keras would stumble; pure
mends        one function for each thing that can be mended
backward     the same for connections of Keras 3 that Keras 2 shall read
functions    the module of named functions that stands for a model's Lambdas
change       what was changed, as values
"""

from __future__ import annotations

from modelreg.repair.change import Change
from modelreg.repair.functions import render
from modelreg.repair.plan import Plan, plan_repair

__all__ = ["Change", "Plan", "plan_repair", "render"]
