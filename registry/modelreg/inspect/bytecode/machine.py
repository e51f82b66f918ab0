"""Runs one instruction on expressions instead of values; the same nodes whatever the Python version.

It decides nothing about jumps.  An instruction that it does not know ends in ``Unsupported``.
"""

from __future__ import annotations

from collections.abc import Callable

from modelreg.inspect.bytecode import expressions as e
from modelreg.inspect.bytecode.calls import Calls
from modelreg.inspect.bytecode.instructions import Instruction
from modelreg.inspect.bytecode.operations import Operations, flattened
from modelreg.inspect.bytecode.symbolic import Unsupported

_UNARY = {"UNARY_POSITIVE": "+", "UNARY_NEGATIVE": "-", "UNARY_INVERT": "~", "UNARY_NOT": "not"}
_IGNORED = frozenset({"NOP", "RESUME", "PRECALL", "COPY_FREE_VARS", "MAKE_CELL", "NOT_TAKEN"})
_DISPLAYS = {"BUILD_TUPLE": "(", "BUILD_LIST": "[", "BUILD_SET": "{"}
_UNPACKS = {
    "BUILD_TUPLE_UNPACK": "(",
    "BUILD_TUPLE_UNPACK_WITH_CALL": "(",
    "BUILD_LIST_UNPACK": "[",
    "BUILD_SET_UNPACK": "{",
}


class Machine(Operations, Calls):
    """Steps through the instructions of one function; the stack is the caller's."""

    def step(self, instruction: Instruction) -> None:
        """Do what ``instruction`` does; raises ``Unsupported``."""
        name, argument = instruction.name, instruction.argument or 0
        if name in _IGNORED:
            return
        handler = _HANDLERS.get(name)
        if handler is not None:
            handler(self, argument)
        elif name in _UNARY:
            self.unary(_UNARY[name])
        elif name.startswith(("BINARY_", "INPLACE_")):
            self.binary(name)
        elif name in _DISPLAYS:
            self.stack.append(e.Display(_DISPLAYS[name], self.pops(argument)))
        elif name in _UNPACKS:
            self.stack.append(e.Display(_UNPACKS[name], flattened(self.pops(argument))))
        elif name.startswith("SLICE+"):
            self.old_slice(int(name[-1]))
        else:
            raise Unsupported(name)


_HANDLERS: dict[str, Callable[[Machine, int], None]] = {
    "POP_TOP": Machine.drop,
    "ROT_TWO": lambda machine, _: machine.rotate(2),
    "ROT_THREE": lambda machine, _: machine.rotate(3),
    "ROT_FOUR": lambda machine, _: machine.rotate(4),
    "ROT_N": Machine.rotate,
    "DUP_TOP": lambda machine, _: machine.copy(1),
    "COPY": Machine.copy,
    "SWAP": Machine.swap,
    "PUSH_NULL": Machine.null,
    "LOAD_CONST": Machine.constant,
    "LOAD_SMALL_INT": Machine.small_int,
    "LOAD_FAST": Machine.local,
    "LOAD_FAST_CHECK": Machine.local,
    "LOAD_FAST_BORROW": Machine.local,
    "STORE_FAST": Machine.store,
    "LOAD_DEREF": Machine.dereferenced,
    "STORE_DEREF": Machine.store_cell,
    "LOAD_CLOSURE": Machine.cell,
    "LOAD_GLOBAL": Machine.global_name,
    "LOAD_ATTR": Machine.attribute,
    "LOAD_METHOD": Machine.method,
    "TO_BOOL": Machine.truth,
    "BINARY_OP": Machine.operator,
    "BINARY_SUBSCR": Machine.subscript,
    "BINARY_SLICE": Machine.sliced,
    "BUILD_SLICE": Machine.slice,
    "COMPARE_OP": Machine.compare,
    "IS_OP": Machine.identity,
    "CONTAINS_OP": Machine.contains,
    "LIST_EXTEND": Machine.extend,
    "SET_UPDATE": Machine.extend,
    "LIST_APPEND": Machine.append,
    "LIST_TO_TUPLE": Machine.list_to_tuple,
    "BUILD_MAP": Machine.mapping,
    "STORE_MAP": Machine.store_map,
    "BUILD_CONST_KEY_MAP": Machine.mapping_of_keys,
    "DICT_UPDATE": Machine.mapping_update,
    "DICT_MERGE": Machine.mapping_update,
    "BUILD_MAP_UNPACK": Machine.mapping_unpack,
    "BUILD_MAP_UNPACK_WITH_CALL": Machine.mapping_unpack,
    "CALL": Machine.call,
    "CALL_KW": Machine.call_keywords,
    "KW_NAMES": Machine.name_keywords,
    "CALL_FUNCTION": Machine.call_function,
    "CALL_FUNCTION_KW": lambda machine, argument: (
        machine.old_call(argument, 2) if machine.version < (3, 0) else machine.call_keywords(argument)
    ),
    "CALL_FUNCTION_VAR": lambda machine, argument: machine.old_call(argument, 1),
    "CALL_FUNCTION_VAR_KW": lambda machine, argument: machine.old_call(argument, 3),
    "CALL_FUNCTION_EX": Machine.call_unpacked,
    "CALL_METHOD": Machine.call_method,
    "CALL_INTRINSIC_1": Machine.intrinsic,
    "FORMAT_VALUE": Machine.format_value,
    "FORMAT_SIMPLE": Machine.format_simple,
    "FORMAT_WITH_SPEC": Machine.format_with,
    "CONVERT_VALUE": Machine.convert,
    "BUILD_STRING": Machine.join,
    "MAKE_FUNCTION": Machine.make_function,
    "MAKE_CLOSURE": Machine.make_closure,
    "SET_FUNCTION_ATTRIBUTE": Machine.set_attribute,
    "UNPACK_SEQUENCE": Machine.unpack,
}
