"""The program: a request file in, a result file out.

``python -m PACKAGE REQUEST RESULT``.  Both are files, because libraries print wherever they like.  The result always
says how far the work came: it is written before each stage, so that a death has a place.  Numbers that are no integers
travel as text, for the reader on the other side takes no floats.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from .kerases import custom_objects, import_keras, import_modules, load, versions
from .tasks import make, replay

HEAD_LENGTH, TAIL_LENGTH = 160, 400
"""Kept of a long message: Keras puts the configuration in the middle and the reason at the end."""


def main(arguments: "list[str]") -> None:
    """Do what the request file says, and leave the result file behind whatever happens."""
    own_folder = Path(__file__).resolve().parent.parent
    sys.path[:] = [folder for folder in sys.path if Path(folder or ".").resolve() != own_folder]
    request = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    signal.alarm(request["alarm_s"])  # should whoever waits for us be gone
    result: dict[str, Any] = {"outcome": "error"}

    def enter(stage: str) -> None:
        result["stage"] = stage
        partial = Path(arguments[1] + ".part")
        partial.write_text(json.dumps(result), encoding="utf-8")
        partial.replace(arguments[1])

    try:
        result["versions"] = versions(None)
        enter("import")
        keras = import_keras()
        result["versions"] = versions(keras)
        objects = custom_objects(request["custom_objects"], request["search"])
        import_modules(request["imports"])
        enter("load")
        model = load(keras, request, objects)
        result["versions"] = versions(keras)
        enter("predict")
        result.update(make(model, request, result["versions"]) if request["make"] else replay(model, request))
        enter("done")
    except BaseException as error:  # SystemExit, raised by a stored function, included
        result["outcome"] = "error"
        result["error"] = type(error).__name__
        result["message"] = shortened(" ".join(str(error).split()))
        enter(result["stage"])
    os._exit(0)  # past the exit handlers of libraries, some of which crash


def shortened(message: str) -> str:
    """``message``, or its beginning and its end."""
    if len(message) <= HEAD_LENGTH + TAIL_LENGTH:
        return message
    return f"{message[:HEAD_LENGTH]} ... {message[-TAIL_LENGTH:]}"


if __name__ == "__main__":
    main(sys.argv[1:])
