"""Arrays without reference counts, for loops in which counting them would take as long as the work.

Numba increments and decrements the count of an array, atomically, whenever a function of a loop takes it or a bundle
that has it. A hundred of these per tile and group of rows took up to two thirds of a multiplication by one vector.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def borrowed(typing_context: Any, value: Any) -> Any:
    """Return the same arrays without owner, whose references are not counted.

    Whoever calls it keeps the owner until the last use: a caller in Python does, compiled code needs `hold` after it.

    Args:
        typing_context: Numba's typing context.
        value: array, or tuple of arrays, numbers and tuples, such as an argument bundle.

    Returns:
        Signature and code generator, as `numba.extending.intrinsic` requires.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _without_owner(context, builder, signature.args[0], arguments[0])

    return value(value), generate


def _without_owner(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value=value)
        array.meminfo = ir.Constant(array.meminfo.type, None)
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        for place, each in enumerate(kind.types):
            part = _without_owner(context, builder, each, builder.extract_value(value, place))
            value = builder.insert_value(value, part, place)
    return value


@intrinsic
def hold(typing_context: Any, value: Any) -> Any:
    """Keep the owner of arrays until here, since it is released after its last use.

    Args:
        typing_context: Numba's typing context.
        value: what `borrowed` was called with.

    Returns:
        Signature and code generator, as `numba.extending.intrinsic` requires.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_dummy_value()

    return types.void(value), generate
