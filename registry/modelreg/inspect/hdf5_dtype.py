"""Names the element type of an HDF5 dataset as NumPy would, without asking NumPy to build it.

Keras stores ``bfloat16`` as an opaque type of two bytes with an attribute ``dtype`` beside it
(``keras/src/saving/saving_lib.py``, ``H5IOStore``); HDF5 2.0 as a float of eight exponent bits.
"""

from __future__ import annotations

from dataclasses import dataclass

from h5py import h5t

_OPAQUE_NAMES = frozenset({"bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4"})
_COMPLEX = getattr(h5t, "COMPLEX", -1)
"""A class of its own since HDF5 2.0; before, and by h5py still, a compound of two floats."""
_NAMES_OF_OTHERS = {h5t.STRING: "string", h5t.REFERENCE: "reference", h5t.VLEN: "object", h5t.OPAQUE: "opaque"}


@dataclass(frozen=True, slots=True)
class Dtype:
    """NumPy's name; ``hazardous`` where the values are not plain numbers."""

    name: str
    hazardous: bool = False


def dtype_name(kind: h5t.TypeID, attribute: str | None) -> Dtype:
    """Name ``kind``; ``attribute`` is the dataset's own ``dtype`` attribute, if it has one."""
    size_bits = 8 * kind.get_size()
    match kind.get_class():
        case h5t.INTEGER:
            return Dtype(("uint" if kind.get_sign() == h5t.SGN_NONE else "int") + str(size_bits))
        case h5t.FLOAT:
            return Dtype(_float_name(kind, size_bits))
        case h5t.ENUM:
            return Dtype("bool") if _is_bool(kind) else dtype_name(kind.get_super(), None)
        case h5t.COMPOUND if _is_complex(kind):
            return Dtype(f"complex{size_bits}")
        case other if other == _COMPLEX:
            return Dtype(f"complex{size_bits}")
        case h5t.OPAQUE if attribute in _OPAQUE_NAMES:
            return Dtype(attribute)
        case other:
            return Dtype(_NAMES_OF_OTHERS.get(other, "compound" if other == h5t.COMPOUND else "other"), hazardous=True)


def _float_name(kind: h5t.TypeFloatID, size_bits: int) -> str:
    _, _, exponent_bits, _, mantissa_bits = kind.get_fields()
    if size_bits == 16 and exponent_bits == 8:
        return "bfloat16"
    if size_bits == 8:
        return f"float8_e{exponent_bits}m{mantissa_bits}"
    return f"float{size_bits}"


def _is_bool(kind: h5t.TypeEnumID) -> bool:
    names = {kind.get_member_name(index) for index in range(min(kind.get_nmembers(), 3))}
    return names == {b"FALSE", b"TRUE"}


def _is_complex(kind: h5t.TypeCompoundID) -> bool:
    if kind.get_nmembers() != 2 or {kind.get_member_name(0), kind.get_member_name(1)} != {b"r", b"i"}:
        return False
    return bool(kind.get_member_type(0).get_class() == h5t.FLOAT)
