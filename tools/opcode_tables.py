"""Regenerates ``inspect/bytecode/opcodes.json``: instructions and built-in names of each Python, asked of itself.

Run ``python tools/opcode_tables.py PYTHON [PYTHON ...]`` with one interpreter of each version; what the file already
holds of other versions stays.  Names that ``site`` adds, such as ``exit``, are left out.  The table of 3.14 is that of
CPython 3.14.2 as compiled to WebAssembly (npm ``pyodide`` 314.0.7): instructions do not depend on the platform.

Pseudo-instructions (above 255) and instrumented ones are left out: the compiler emits neither into stored code, and
``marshal`` writes the instruction that an instrumented or specialised one stands for (``_PyCode_GetCode``).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

OUTPUT = Path(__file__).resolve().parent.parent / "registry" / "modelreg" / "inspect" / "bytecode" / "opcodes.json"

PROBE = r"""
import json, opcode, sys
try:
    import builtins
except ImportError:
    import __builtin__ as builtins

first_instrumented = getattr(opcode, "MIN_INSTRUMENTED_OPCODE", 256)
real = dict(
    (name, number) for name, number in opcode.opmap.items()
    if number < first_instrumented and not name.startswith("INSTRUMENTED_")
)
named = dict((number, name) for name, number in real.items())

def names(kind):
    return sorted(named[number] for number in getattr(opcode, "has" + kind, []) if number in named)

def of_site(value):
    return type(value).__module__ in ("site", "_sitebuiltins")

entries = getattr(opcode, "_inline_cache_entries", {})
entries = entries if isinstance(entries, dict) else dict(enumerate(entries))
caches = dict((key if isinstance(key, str) else named.get(key), count) for key, count in entries.items() if count)
caches = dict((name, count) for name, count in caches.items() if name in real)
if hasattr(opcode, "hasarg"):
    argument = names("arg")
else:
    argument = sorted(name for name, number in real.items() if number >= opcode.HAVE_ARGUMENT)
kinds = dict((kind, names(kind)) for kind in ("const", "name", "local", "free", "jrel", "jabs", "compare"))
print(json.dumps({
    "version": "%d.%d" % sys.version_info[:2],
    "release": "%d.%d.%d" % sys.version_info[:3],
    "opcodes": real,
    "argument": argument,
    "kinds": kinds,
    "caches": caches,
    "comparisons": list(opcode.cmp_op),
    "operators": [list(pair) for pair in getattr(opcode, "_nb_ops", [])],
    "intrinsics": list(getattr(opcode, "_intrinsic_1_descs", [])),
    "builtins": sorted(name for name in dir(builtins) if not of_site(getattr(builtins, name))),
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pythons", nargs="+", metavar="PYTHON")
    tables = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.is_file() else {}
    for python in parser.parse_args().pythons:
        done = subprocess.run([python, "-S", "-c", PROBE], capture_output=True, text=True, timeout=60, check=True)
        table = json.loads(done.stdout)
        tables[table.pop("version")] = table
    ordered = sorted(tables, key=lambda version: tuple(map(int, version.split("."))))
    lines = ",\n".join(f' "{version}": {json.dumps(tables[version], sort_keys=True)}' for version in ordered)
    OUTPUT.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    sys.stdout.write(f"{OUTPUT.name}: {', '.join(tables[version]['release'] for version in ordered)}\n")


if __name__ == "__main__":
    main()
