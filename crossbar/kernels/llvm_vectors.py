"""Building blocks of LLVM IR for vectors of 16 lanes, used by the intrinsics of `lanes` and `random_lanes`."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from crossbar.kernels.arguments import LANES

I32 = ir.IntType(32)
I64 = ir.IntType(64)
F32 = ir.FloatType()
INTS = ir.VectorType(I32, LANES)
REALS = ir.VectorType(F32, LANES)


def data_of(context: Any, builder: Any, array_type: Any, value: Any) -> Any:
    """Return a pointer to the first element of an array.

    Args:
        context: Numba's target context.
        builder: LLVM IR builder.
        array_type: Numba type of the array.
        value: LLVM value of the array.

    Returns:
        LLVM pointer.
    """
    return context.make_array(array_type)(context, builder, value).data


def has_products_of_pairs(context: Any) -> bool:
    """Return whether code is compiled for a processor that multiplies pairs of 16-bit integers in 512-bit vectors.

    Args:
        context: Numba's target context.

    Returns:
        True for x86 processors with AVX-512 BW.
    """
    _, _, features = context.codegen().magic_tuple()
    return "+avx512bw" in features.split(",")


def vector_at(builder: Any, data: Any, index: Any, vector: Any) -> Any:
    """Return a pointer to the vector that starts at element `index`.

    Args:
        builder: LLVM IR builder.
        data: pointer to the first element.
        index: element index, i64.
        vector: LLVM vector type.

    Returns:
        LLVM pointer to `vector`.
    """
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def load_lanes(builder: Any, data: Any, index: Any, vector: Any, align: int) -> Any:
    """Load the vector that starts at element `index`.

    Args:
        builder: LLVM IR builder.
        data: pointer to the first element.
        index: element index, i64.
        vector: LLVM vector type.
        align: alignment of the address in bytes.

    Returns:
        LLVM value of type `vector`.
    """
    load = builder.load(vector_at(builder, data, index, vector))
    load.align = align
    return load


def vector_function(builder: Any, name: str, vector: Any) -> Any:
    """Return the LLVM intrinsic function `name` for vectors of 16.

    Args:
        builder: LLVM IR builder.
        name: name without the type suffix, e.g. "llvm.floor".
        vector: vector type of argument and result.

    Returns:
        LLVM function.
    """
    kind = "i32" if vector == INTS else "f32"
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector]), f"{name}.v{LANES}{kind}")


def broadcast(builder: Any, scalar: Any) -> Any:
    """Return a vector of 16 copies of a scalar.

    Args:
        builder: LLVM IR builder.
        scalar: LLVM scalar.

    Returns:
        LLVM vector.
    """
    vector = ir.VectorType(scalar.type, LANES)
    start = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, I32(0))
    return builder.shuffle_vector(start, ir.Constant(vector, ir.Undefined), ir.Constant(INTS, None))


def zero_vectors(builder: Any, count: int) -> list[Any]:
    """Allocate `count` vectors of sums that are set to 0 at this point and kept in registers.

    Args:
        builder: LLVM IR builder.
        count: number of vectors.

    Returns:
        LLVM pointers.
    """
    pointers = [cgutils.alloca_once(builder, INTS) for _ in range(count)]
    for pointer in pointers:
        builder.store(ir.Constant(INTS, None), pointer)
    return pointers


def prefetch_line(builder: Any, data: Any, index: Any) -> None:
    """Prefetch the cache line of element `index` into L1; the element may be outside the array.

    Args:
        builder: LLVM IR builder.
        data: pointer to the first element.
        index: element index, i64.
    """
    byte = ir.IntType(8).as_pointer()
    shape = ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32])
    fetch = cgutils.get_or_insert_function(builder.module, shape, "llvm.prefetch.p0")
    builder.call(fetch, [builder.bitcast(builder.gep(data, [index]), byte), I32(0), I32(3), I32(1)])
