"""The part of ``measure_bytecode`` that runs in the interpreter that is measured, from Python 2.7 on.

``dump OUTPUT COUNT [FOLDER]`` marshals functions of the standard library (or of a folder), evenly spread;
``compare LIFTED OUTPUT`` compiles lifted sources and compares the code with the original's.
"""
# mypy: ignore-errors
# ruff: noqa: UP010, UP031, RUF005, PTH118, PTH119, PTH120, UP028, SIM201, UP020, UP036 - it runs on Python 2.7 too

from __future__ import print_function

import ast
import base64
import io
import json
import marshal
import os
import sys
import warnings

warnings.simplefilter("ignore")
CODE = type((lambda: 0).__code__)
FUTURE = 0x2000 | 0x20000
"""Division and unicode literals, which change what Python 2.7 compiles."""


def parts(code):
    for constant in code.co_consts:
        if isinstance(constant, CODE):
            yield constant
            for inner in parts(constant):
                yield inner


def all_names(code):
    return [name for each in [code] + list(parts(code)) for name in each.co_names]


def sources(folder):
    skipped = ("test", "tests", "idlelib", "lib2to3", "site-packages", "bad_coding")
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in skipped)
        for name in sorted(names):
            if name.endswith(".py"):
                yield os.path.join(root, name)


def expressions(tree):
    """Lines and names of the lambdas and of the functions that consist of one return."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            found.setdefault(("<lambda>", node.lineno), []).append(node)
        elif isinstance(node, ast.FunctionDef):
            body = node.body
            if len(body) > 1 and isinstance(body[0], ast.Expr) and type(body[0].value).__name__ in ("Str", "Constant"):
                body = body[1:]
            if len(body) == 1 and isinstance(body[0], ast.Return) and body[0].value is not None:
                line = min([node.lineno] + [each.lineno for each in node.decorator_list])
                found.setdefault((node.name, line), []).append(node)
                found.setdefault((node.name, node.lineno), []).append(node)
    return found


def imports(tree):
    """Names that the module itself imports: since 3.11 the compiler calls their attributes in another way."""
    found, waiting = set(), [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)) and not getattr(node, "module", None) == "__future__":
            found.update((each.asname or each.name).split(".")[0] for each in node.names if each.name != "*")
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)
    return found


def functions(folder):
    for path in sources(folder):
        try:
            with io.open(path, "rb") as file:
                text = file.read()
            tree = ast.parse(text)
            module = compile(text, path, "exec", 0, True)
        except (SyntaxError, ValueError, UnicodeDecodeError):
            continue
        known, imported = expressions(tree), imports(tree)
        for code in parts(module):
            if code.co_flags & 3 == 3:
                is_expression = (code.co_name, code.co_firstlineno) in known and not code.co_flags & 0x20
                yield path, code, is_expression, imported


def dump(output, count, folder=None):
    every = list(functions(folder or os.path.dirname(os.__file__)))
    plain = [each for each in every if not each[2]]
    single = [each for each in every if each[2]]
    half = int(count) // 2
    chosen = spread(single, half)
    chosen += spread(plain, int(count) - len(chosen))
    with io.open(output, "wb") as out:
        out.write(line({"python": "%d.%d" % sys.version_info[:2]}))
        for path, code, is_expression, imported in chosen:
            record = {
                "name": "%s:%d %s" % (os.path.basename(path), code.co_firstlineno, code.co_name),
                "code": base64.b64encode(marshal.dumps(code)).decode("ascii"),
                "expression": bool(is_expression),
                "imports": sorted(imported & set(all_names(code))),
            }
            out.write(line(record))


def line(value):
    return (json.dumps(value) + "\n").encode("ascii")


def spread(items, count):
    if len(items) <= count:
        return items
    return [items[index * len(items) // count] for index in range(count)]


def compare(lifted, output):
    with io.open(lifted, encoding="utf-8") as records, io.open(output, "wb") as out:
        out.writelines(line(compared(json.loads(record))) for record in records)


def compared(record):
    original = marshal.loads(base64.b64decode(record["code"]))
    source = record["source"]
    try:
        answer = difference(original, compiled(record, source, original))
        if answer == "instructions differ" and source.startswith("lambda"):
            # 3.10 and 3.11 shorten jumps within one line only: the same text compiles otherwise over several.
            broken = "(%s)" % source.replace(" and ", "\n        and ").replace(" or ", "\n        or ")
            if difference(original, compiled(record, broken, original)).startswith("same"):
                return "same but lines"
    except SyntaxError as error:
        return "does not compile: %s" % error
    return answer


def compiled(record, source, original):
    body = source if source.startswith("def ") else "return " + source
    text = (
        "".join("import %s\n" % name for name in record["imports"])
        + "def _(%s):\n" % ", ".join(record["free"])
        + "".join("    %s\n" % line for line in body.split("\n"))
    )
    flags = 0
    if sys.version_info[0] == 2:
        text, flags = text.encode("utf-8"), original.co_flags & FUTURE
    module = compile(text, original.co_filename, "exec", flags, True)
    outer = next(each for each in module.co_consts if isinstance(each, CODE))
    return next(each for each in outer.co_consts if isinstance(each, CODE))


def difference(one, other):
    if signature(one) != signature(other):
        return "signatures differ: %r %r" % (signature(one), signature(other))
    used, other_used = used_constants(one), used_constants(other)
    exact = (
        one.co_code == other.co_code and keys(one.co_consts) == keys(other.co_consts) and one.co_names == other.co_names
    )
    if exact:
        return "same"
    if used == other_used:
        return "same but unused constants"
    if plain(used) == plain(other_used):
        return "same but lines"
    return "instructions differ"


PAIRS = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW": ("LOAD_FAST_BORROW", "LOAD_FAST_BORROW"),
}


def plain(used):
    """Without what depends on where the author broke lines: instructions are joined on one line only (3.13)."""
    import opcode

    found = []
    for instruction in used:
        name = opcode.opname[instruction[0]]
        if name in PAIRS:
            found.append((opcode.opmap[PAIRS[name][0]], instruction[1] >> 4))
            found.append((opcode.opmap[PAIRS[name][1]], instruction[1] & 15))
        elif name != "NOP":
            found.append(instruction)
    return found


def signature(code):
    return (
        code.co_argcount,
        getattr(code, "co_kwonlyargcount", 0),
        getattr(code, "co_posonlyargcount", 0),
        code.co_varnames,
        code.co_freevars,
        code.co_flags & 0xC,
        code.co_name,
    )


def keys(constants):
    return [key(constant) for constant in constants]


def key(value):
    """A constant with its type, also inside."""
    if isinstance(value, CODE):
        return ("code", signature(value), value.co_code, tuple(keys(value.co_consts)), value.co_names)
    if isinstance(value, tuple):
        return tuple(keys(value))
    if isinstance(value, frozenset):
        return ("frozenset", tuple(sorted(repr(key(item)) for item in value)))
    return (type(value).__name__, repr(value))


def used_constants(code):
    """The instructions with each number of a constant replaced by the constant."""
    import opcode

    data, place, argument, found = bytearray(code.co_code), 0, 0, []
    old = sys.version_info < (3, 6)
    while place < len(data):
        number = data[place]
        if old:
            size = 3 if number >= opcode.HAVE_ARGUMENT else 1
            value = data[place + 1] | data[place + 2] << 8 if size == 3 else 0
            argument = argument << 16 | value
        else:
            size = 2
            argument = argument << 8 | data[place + 1]
        place += size
        if number == opcode.EXTENDED_ARG:
            continue
        if number in opcode.hasconst:
            constant = code.co_consts[argument]
            inner = isinstance(constant, CODE)
            if isinstance(constant, str) and constant.endswith(".<locals>.<lambda>"):
                constant = "<lambda>"  # the qualified name, which says where it stood
            found.append((number, (signature(constant), used_constants(constant)) if inner else key(constant)))
        elif number in opcode.hasname:
            found.append((number, argument, code.co_names))
        else:
            found.append((number, argument))
        argument = 0
    return found


if __name__ == "__main__":
    {"dump": dump, "compare": compare}[sys.argv[1]](*sys.argv[2:])
