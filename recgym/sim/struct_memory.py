"""Nested tuples of arrays as compiled code holds them, so that a call hands over one address in place of each array.

A call of a compiled function unpacks every array of its arguments, at about 100 ns each: for the seventy arrays of a
world and its sessions several times the arithmetic of a step. A `StructMemory` unpacks them once. The function then
takes the address and reads the tuple from there by `load`.

Without compilation (see `recgym.jit`) the same code runs on a table of the tuples by address.
"""

import weakref
from typing import Any, Generic, TypeVar

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from recgym.jit import IS_COMPILED, njit

T = TypeVar("T")

_numba: Any = numba
_SLACK = 2  # of the memory over the arrays' own description: 56 bytes and 16 for each axis
_tuples: dict[int, Any] = {}  # by address, without compilation


def _load_tuple(kind: Any, address: int) -> Any:
    return _tuples[address]


def _store_tuple(value: Any, address: int) -> None:
    _tuples[address] = value


@intrinsic
def _load_struct(_: Any, kind: Any, address: Any) -> Any:
    held = kind.instance_type

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        pointer = context.get_value_type(held).as_pointer()
        return builder.load(builder.inttoptr(arguments[1], pointer))

    return held(kind, types.intp), generate


@intrinsic
def _store_struct(_: Any, value: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = context.get_value_type(signature.args[0]).as_pointer()
        builder.store(arguments[0], builder.inttoptr(arguments[1], pointer))
        return context.get_dummy_value()

    return types.void(value, types.intp), generate


load: Any = _load_struct if IS_COMPILED else _load_tuple
"""In a compiled function: `load(KIND, address)` is the tuple there; KIND is a global variable, from `kind_of`."""
_store: Any = _store_struct if IS_COMPILED else _store_tuple


@njit()
def _write(value: Any, address: int) -> None:
    _store(value, address)


def kind_of(value: Any) -> Any:
    """The compiled type of a nested tuple of arrays."""
    return _numba.typeof(value)


class StructMemory(Generic[T]):
    """Holds a nested tuple of arrays, and the same as compiled code reads it: `memory`, at `address`.

    A copy, also by pickle, holds the copied arrays.

    Args:
        value: the tuple.
        kind: type that compiled functions load, from `kind_of`; the tuple must be of this type.

    Raises:
        TypeError: an array has another type, number of axes or order in memory.
    """

    def __init__(self, value: T, kind: Any) -> None:
        if (found := kind_of(value)) != kind:
            raise TypeError(f"arrays are of other types than compiled code expects: {found}, not {kind}")
        self.kind = kind
        self.memory = np.zeros(_SLACK * _size(value), np.uint8)
        self.address = int(self.memory.ctypes.data)
        self.set(value)
        if not IS_COMPILED:
            weakref.finalize(self, _tuples.pop, self.address, None)

    def set(self, value: T) -> None:
        """Hold other arrays, which must be of the same types: this is not checked."""
        self.value = value
        _write(value, self.address)

    def __reduce__(self) -> tuple[Any, ...]:
        return StructMemory, (self.value, self.kind)


def _size(value: Any) -> int:
    """Upper bound of the bytes of a value in compiled code."""
    if isinstance(value, tuple):
        return sum(map(_size, value))
    return 64 + 16 * value.ndim if isinstance(value, np.ndarray) else 16
