"""Prefetching: a hint to the processor to load the row of a table that a later session will read.

Sessions are of users in no order, so that the tables of pairs of users, of 7 MB, are read at random places. The loads
of a session are waited for; those of later ones can be made meanwhile. A hint has no effect on results.
"""

from typing import Any

import numba.core
from numba import types
from numba.extending import intrinsic

from recgym.jit import IS_COMPILED

_cgutils: Any = numba.core.cgutils  # its types are not published
_ir: Any = _cgutils.ir
LINE = 64  # bytes of a line of the cache


@intrinsic
def _prefetch(_: Any, numbers: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (kind,) = signature.args
        view = context.make_array(kind)(context, builder, arguments[0])
        (size,), word = _cgutils.unpack_tuple(builder, view.shape), view.itemsize.type
        start = builder.ptrtoint(view.data, word)
        first, end = builder.and_(start, word(-LINE)), builder.add(start, builder.mul(size, view.itemsize))
        byte, flag = _ir.IntType(8).as_pointer(), _ir.IntType(32)
        hint = _cgutils.get_or_insert_function(
            builder.module, _ir.FunctionType(_ir.VoidType(), [byte, flag, flag, flag]), "llvm.prefetch"
        )
        with _cgutils.for_range_slice(builder, first, end, word(LINE), word) as (at, _):
            builder.call(hint, [builder.inttoptr(at, byte), flag(0), flag(3), flag(1)])  # read, keep, data
        return context.get_dummy_value()

    return types.void(numbers), generate


def _no_prefetch(numbers: Any) -> None:
    pass


prefetch: Any = _prefetch if IS_COMPILED else _no_prefetch
"""In a function that is compiled for the CPU: load a row, of one axis and without gaps, into the cache."""
