"""What an error message means: every recorded message is recognised, and by the right mode."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelreg.rules.catalogue import RULES
from modelreg.rules.symptoms import ERROR_LENGTH_MAX, SYMPTOMS, recognise

LOADS = Path(__file__).resolve().parents[2] / "oracle" / "loads"

MESSAGES = {
    "ValueError: bad marshal data (unknown type code)": "bad marshal data",
    "EOFError: EOF read where object expected": "bad marshal data",
    "SystemError: Objects/codeobject.c:128: bad argument to internal function": "bad marshal data",
    "Segmentation fault (core dumped)": "the interpreter dies",
    "XXX lineno: 12, opcode: 47\nSystemError: unknown opcode": "unknown opcode",
    "OSError: Unable to synchronously open file (truncated file: eof = 1000, sblock->base_addr = 0, stored_eof = 17208)": "truncated file",
    "OSError: Unable to open file (file signature not found)": "not HDF5",
    "ValueError: No model config found in the file at <tensorflow.python.platform.gfile.GFile object>.": "weights only",
    "AttributeError: 'str' object has no attribute 'decode'": "decode",
    "NameError: name 'tf' is not defined": "name not defined in a Lambda",
    "arg 4 (defaults) must be None or tuple": "Lambda's values",
    "Could not deserialize 'keras.metrics.mse' because it is not a KerasSaveable subclass": "not a KerasSaveable",
    "BadZipFile: Bad CRC-32 for file 'config.json'": "damaged archive",
    "Op type not registered 'DisableCopyOnRead' in binary running on host": "graph operation",
    "BlockingIOError: [Errno 11] Unable to open file (unable to lock file, errno = 11)": "file locked",
}


@pytest.mark.parametrize(("message", "name"), MESSAGES.items(), ids=[message[:40] for message in MESSAGES])
def test_a_message_names_its_failure_mode(message: str, name: str) -> None:
    assert name in {symptom.name for symptom in recognise(message)}


def test_every_recorded_error_is_recognised() -> None:
    """Claim: no error that a real Keras raised on the recorded files is met with a shrug."""
    unknown = set()
    for path in LOADS.glob("*.json"):
        for load in json.loads(path.read_text())["results"]:
            text = f"{load.get('error')}: {load.get('message')}"
            if load["outcome"] == "error" and not recognise(text):
                unknown.add(text[:120])
    assert not unknown


def test_an_unknown_error_is_not_guessed_at() -> None:
    assert recognise("ZeroDivisionError: division by zero") == ()


def test_a_symptom_names_rules_that_exist() -> None:
    assert {rule for symptom in SYMPTOMS for rule in symptom.rules} <= set(RULES)


def test_only_the_beginning_of_a_long_text_is_looked_at() -> None:
    """A pattern with ``.*`` over a text without end would be a bomb."""
    assert recognise("x" * ERROR_LENGTH_MAX + "bad marshal data") == ()
