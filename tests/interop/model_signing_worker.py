"""Runs the public tool's own command line again and again in one process, for importing it takes half a second.

Started with the interpreter of the environment that holds ``model-signing``.  Each line of standard input is a JSON
array of arguments, each line of standard output ``{"exit": STATUS, "output": TEXT}``.
"""

import contextlib
import io
import json
import sys

from model_signing._cli import main


def run(arguments: "list[str]") -> "dict[str, object]":
    """The exit status of the command line, and what it printed."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            main(arguments, prog_name="model_signing")
            status: object = 0
        except SystemExit as end:
            status = end.code
        except Exception as error:  # what nobody caught is a traceback and exit 1 to a shell
            status = 1
            output.write(f"{type(error).__name__}: {error}")
    return {"exit": status, "output": output.getvalue()}


for line in sys.stdin:
    sys.stdout.write(json.dumps(run(json.loads(line))) + "\n")
    sys.stdout.flush()
