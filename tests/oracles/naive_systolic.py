"""Systolic arrays register by register, for each dataflow."""

from __future__ import annotations

Matrix = list[list[int]]


def matmul(a: Matrix, b: Matrix) -> Matrix:
    """Return the integer product of an M x K and a K x N matrix."""
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in transposed(b)] for row in a]


def transposed(matrix: Matrix) -> Matrix:
    return [list(column) for column in zip(*matrix, strict=True)]


def _element(matrix: Matrix, row: int, column: int) -> int:
    """Return an element, or zero outside: an array at the edge of a matrix computes with zeros."""
    return matrix[row][column] if row < len(matrix) and column < len(matrix[0]) else 0


def walk_output_stationary(a: Matrix, b: Matrix, rows: int, columns: int) -> tuple[int, Matrix]:
    """Simulate M x K times K x N on an output-stationary array; return the cycles and the product.

    Rows of `a` enter from the left and columns of `b` from the top, each one cycle after the row or column before it,
    and move by one unit per cycle. A fold ends when the last unit has multiplied its last pair.
    """
    m, depth, n = len(a), len(b), len(b[0])
    product = [[0] * n for _ in range(m)]
    cycles = 0
    for top in range(0, m, rows):
        for left in range(0, n, columns):
            from_left: list[list[tuple[int, int] | None]] = [[None] * columns for _ in range(rows)]
            from_top: list[list[tuple[int, int] | None]] = [[None] * columns for _ in range(rows)]
            sums = [[0] * columns for _ in range(rows)]
            done = [[0] * columns for _ in range(rows)]
            cycle = 0
            while any(unit < depth for row in done for unit in row):
                for i in range(rows):
                    k = cycle - i
                    from_left[i] = [(k, _element(a, top + i, k)) if 0 <= k < depth else None, *from_left[i][:-1]]
                entering = [cycle - j for j in range(columns)]
                first = [(k, _element(b, k, left + j)) if 0 <= k < depth else None for j, k in enumerate(entering)]
                from_top = [first, *from_top[:-1]]
                for i in range(rows):
                    for j in range(columns):
                        x, y = from_left[i][j], from_top[i][j]
                        assert (x is None) == (y is None)
                        if x and y:
                            assert x[0] == y[0], "operands of different k meet: the skew is wrong"
                            sums[i][j] += x[1] * y[1]
                            done[i][j] += 1
                cycle += 1
            cycles += cycle
            for i in range(min(rows, m - top)):
                for j in range(min(columns, n - left)):
                    product[top + i][left + j] = sums[i][j]
    return cycles, product


def walk_weight_stationary(a: Matrix, b: Matrix, rows: int, columns: int) -> tuple[int, Matrix]:
    """Simulate M x K times K x N on an array with `b` stationary; return the cycles and the product.

    `b` is loaded from the top, one row per cycle. Then rows of `a` enter from the left, each one cycle after the row
    above it, while sums move down. A fold ends when the last sum has left the last column.
    """
    m, depth, n = len(a), len(b), len(b[0])
    product = [[0] * n for _ in range(m)]
    cycles = 0
    for top in range(0, depth, rows):
        for left in range(0, n, columns):
            kept = [[0] * columns for _ in range(rows)]
            cycle = 0
            for row in reversed(range(rows)):
                kept = [[_element(b, top + row, left + j) for j in range(columns)], *kept[:-1]]
                cycle += 1
            moving: list[list[tuple[int, int] | None]] = [[None] * columns for _ in range(rows)]
            sums: list[list[tuple[int, int] | None]] = [[None] * columns for _ in range(rows)]
            left_array, start = 0, cycle
            while left_array < m * columns:
                for i in range(rows):
                    vector = cycle - start - i
                    entering = (vector, _element(a, vector, top + i)) if 0 <= vector < m else None
                    moving[i] = [entering, *moving[i][:-1]]
                above: list[list[tuple[int, int] | None]] = [[(-1, 0)] * columns, *sums[:-1]]
                sums = [[_add(moving[i][j], above[i][j], kept[i][j]) for j in range(columns)] for i in range(rows)]
                cycle += 1
                for j, leaving in enumerate(sums[-1]):
                    if leaving:
                        left_array += 1
                        if left + j < n:
                            product[leaving[0]][left + j] += leaving[1]
            cycles += cycle
    return cycles, product


def _add(x: tuple[int, int] | None, above: tuple[int, int] | None, weight: int) -> tuple[int, int] | None:
    if x is None:
        return None
    assert above is not None
    assert above[0] in (-1, x[0]), "sums of different vectors meet: the skew is wrong"
    return x[0], above[1] + x[1] * weight


def walk_input_stationary(a: Matrix, b: Matrix, rows: int, columns: int) -> tuple[int, Matrix]:
    """Simulate as `walk_weight_stationary`, but with `a` stationary and `b` streamed."""
    cycles, product = walk_weight_stationary(transposed(b), transposed(a), rows, columns)
    return cycles, transposed(product)


WALKS = {"os": walk_output_stationary, "ws": walk_weight_stationary, "is": walk_input_stationary}
