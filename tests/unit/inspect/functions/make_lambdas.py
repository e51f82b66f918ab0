"""Writes the bytecode of Lambdas as Keras users write them; usage: python make_lambdas.py OUTPUT.json.

Runs on every Python from 2.7 on, because the point is which Python wrote the bytes.  Each entry of ``lambdas`` is the text
of a lambda and its code; of ``functions``, the text of a ``def`` and its code; of ``windows``, a name, the code as compiled
in a file on a drive C, and the same bytes as Keras on Windows stores them (each 0x5C as 0x2F).
"""
# mypy: ignore-errors
# ruff: noqa: UP031

import base64
import json
import marshal
import sys

LAMBDAS = [
    "lambda t: t * 2.0 + 1.0",
    "lambda x: K.mean(x, axis=-1, keepdims=True)",
    "lambda x: x[:, 0:10]",
    "lambda x: x[..., ::-1]",
    "lambda x: x[1:]",
    "lambda x: x[0, :, None]",
    "lambda t: tf.nn.l2_normalize(t, axis=-1)",
    "lambda x: tf.cast(x, 'float32') / 255.0",
    "lambda x: K.expand_dims(K.sum(x, 1), -1)",
    "lambda x: x if y else z",
    "lambda x: x if y > 0 and not z else -x ** 2",
    "lambda x: x if 0 < y <= 1 or z else None",
    "lambda x: (x if y else z) + (a or b)",
    "lambda x: y is None or x not in (1, 2)",
    "lambda x: not (x and y) or x",
    "lambda inputs: inputs[0] * inputs[1] + (a - (b - c)) - 2 ** -x",
    "lambda x, y=None, *rest, **more: f(x, *rest, k=y, **more)",
    "lambda x: [x, (x,), {'a': x, 'b': [1.0, -0.0]}]",
    "lambda x: (lambda y, k=2: x + y + k)(1) | ~x & z << 1",
    "lambda: None",
]
FUNCTIONS = [
    "def shifted(t, by, *rest):\n    return t - by",
    "def waits(x):\n    yield x",
    "def product(inputs):\n    a, b = inputs\n    return a * b",
    "def steps(x):\n    'What it does.'\n    y = z = x + 1\n    y += z\n    (a, b), c = K.split(y)\n    K.log(a)\n    return (a, b, c) if c else y",
]
WINDOWS = [
    ("unpacks", "def f(inputs):\n    (a, b) = inputs\n    return a * b"),
    (
        "unpacks twice",
        "def f(inputs):\n    (a, b), c = inputs\n    for c, b in a:\n        a = c if b else a\n    return a",
    ),
    ("has 92", "def f(x):\n    return x + 92"),
    ("has 47", "def f(x):\n    return x + 47"),
    ("has a backslash", "def f(x):\n    return x + 'a\\\\b'"),
    ("unpacks and has 92", "def f(inputs):\n    (a, b) = inputs\n    return a * b + 92"),
    ("unharmed", "def f(x):\n    return x * 2"),
    ("92 names", "def f(x):\n    return (%s)" % ", ".join("x.a%d" % index for index in range(92))),
]


def made(text, filename):
    if text.startswith("lambda"):
        text = "made = " + text
    names = {}
    exec(compile(text, filename, "exec"), names)
    return next(names[name] for name in names if not name.startswith("__")).__code__


def stored(data):
    return base64.b64encode(data).decode("ascii")


def ran_often(x, n):
    total = 0
    for index in range(n):
        total += x.real * index
        if total in (3, 4):
            total = x[0]
    return total


for _ in range(500):
    ran_often(1.5, 50)

windows = []
for name, text in WINDOWS:
    code = marshal.dumps(made(text, "C:\\x\\y.py"))
    windows.append([name, stored(code), stored(code.replace(b"\\", b"/"))])
document = {
    "made": "by make_lambdas.py, run by CPython %d.%d.%d" % sys.version_info[:3],
    "expected": "lambdas and functions lift to their text; windows as the names in test_bytecode_mangling.py say",
    "python": "%d.%d" % sys.version_info[:2],
    "lambdas": [[text, stored(marshal.dumps(made(text, "model.py")))] for text in LAMBDAS],
    "functions": [[text, stored(marshal.dumps(made(text, "model.py")))] for text in FUNCTIONS],
    "ran": stored(marshal.dumps(ran_often.__code__)),
    "windows": windows,
}
with open(sys.argv[1], "w") as out:
    json.dump(document, out, indent=1, sort_keys=True)
    out.write("\n")
