"""Predictions by any interpreter's Keras: drawn and recorded at push, computed again and compared at replay.

``run_predictions`` is the one entrance: it starts the interpreter on the package ``standalone`` and turns whatever
happens there into a value.
"""

from modelreg.replay.hints import Hint, hints_of
from modelreg.replay.run import Making, OutputReport, PredictionRun, RunOutcome
from modelreg.replay.runner import TIMEOUT_S, interpreter_of, private_folder, run_predictions

__all__ = [
    "TIMEOUT_S",
    "Hint",
    "Making",
    "OutputReport",
    "PredictionRun",
    "RunOutcome",
    "hints_of",
    "interpreter_of",
    "private_folder",
    "run_predictions",
]
