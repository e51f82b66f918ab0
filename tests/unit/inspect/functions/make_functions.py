"""Writes the bytecode of ordinary functions as Keras would store it; usage: python make_functions.py OUTPUT.json.

Runs on every Python from 2.7 on, because the point is which Python wrote the bytes.
"""
# mypy: ignore-errors
# ruff: noqa: UP010, UP024, B904, T201, C420, UP028, RUF021, UP004, UP031, F821

from __future__ import print_function

import base64
import json
import marshal
import sys


def plain(x):
    return x * 2 + 1


def slices(x):
    return x[:, 0:10]


def loops(x):
    total = 0
    for index in range(10):
        if index % 3 == 0:
            continue
        total += index * x
    while total > 100:
        total -= 1
    return total


def uses_tf(t):
    return tf.nn.l2_normalize(t, axis=-1)


def guarded(x):
    try:
        return open(x).read()
    except (IOError, ValueError) as error:
        raise RuntimeError(str(error))
    finally:
        print(x)


def comprehends(x):
    return [a for a in x if a] + sorted({b: 1 for b in x})


def generates(x):
    for item in x:
        yield item


def constants(x):
    return (1, 2.5, 3j, "text", b"bytes", None, True, 10**40, -5, (1, (2, (3,))), "\u00e9\u4e2d", x in {1, 2, 3})


def tests(x, y):
    return x is None or y is not x and x in y and x not in y


def unpacks(x, *rest, **more):
    first, second = x
    return first(second, *rest, **more)


def nests(x):
    class Inner(object):
        def method(self):
            return x

    return lambda: Inner().method()


def ends_in_raise(x):
    if x:
        return x
    raise ValueError(x)


def makes_closure():
    factor, shift = 2.0, 1.0

    def inner(x):
        return lambda y: y * factor + shift + x

    return inner


def with_block(x):
    with x as opened:
        return opened


FUNCTIONS = [
    plain,
    slices,
    loops,
    uses_tf,
    guarded,
    comprehends,
    generates,
    constants,
    tests,
    unpacks,
    nests,
    ends_in_raise,
    makes_closure,
    makes_closure(),
    makes_closure()(1),
    with_block,
    lambda x: x,
    lambda x: x**2 if x else -x,
    lambda x, scale=2.0: x * scale,
    lambda: None,
]

stored = [
    [function.__name__, base64.b64encode(marshal.dumps(function.__code__)).decode("ascii")] for function in FUNCTIONS
]
with open(sys.argv[1], "w") as out:
    json.dump({"python": "%d.%d" % sys.version_info[:2], "functions": stored}, out, indent=1, sort_keys=True)
    out.write("\n")
