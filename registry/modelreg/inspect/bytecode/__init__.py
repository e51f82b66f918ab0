"""Reads a function's stored bytecode, of any Python, without running it.

    values, marshalled         the structure of the bytes
    opcodes, instructions      each version's instructions
    candidates                 which Pythons can have written it, which others run it alike
    names, listing             what it looks up outside itself; the disassembly
    mangling                   what Keras on Windows changed, and the way back
    expressions, symbolic, operations, calls, machine, control      instructions run on symbols
    decisions, lifting         the expression or statements that were compiled
    statements, source, constants      the same as text
    proof                      whether the text compiles to what the stored code does
    stored                     the text in the configuration, and all of the above as one answer

Invariants:

* The true writer is always among the returned versions.
* Nothing of the file is executed and no code object is built from it.  (The compiler of the running Python sees text
  that this package wrote, to prove it; what it makes is compared and dropped.)
* Every input gives a ``StoredFunction`` or raises
  ``BytecodeError``.
"""

from __future__ import annotations

from modelreg.inspect.bytecode.stored import BytecodeError, StoredFunction, read_bytecode, read_stored_function

__all__ = ["BytecodeError", "StoredFunction", "read_bytecode", "read_stored_function"]
