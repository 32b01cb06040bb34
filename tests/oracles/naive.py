"""Slow, readable oracles: plain implementations of what the package computes in closed form or with grouping."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from crossbar.params import EncodingParams
from pimsim.config.schema import MeshConfig
from pimsim.mapping.program import Program, ProgramBlock
from pimsim.steps.step_tree import Copies, Identical, Loop, Parallel, Step, Work
from pimsim.steps.step_tree import Sequence as InTurn
from workloads.ops import BLOCK_INPUT

Matrix = list[list[int]]
Position = tuple[int, int]


# --- a tree of steps ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """All consecutive repetitions of a step on one hardware instance."""

    step: Step
    start_ps: int
    end_ps: int


def replay(work: Work, start_ps: int = 0) -> tuple[int, list[Event]]:
    """Return the end time of `work` on an idle machine and all events until then, with nothing grouped."""
    match work:
        case Step():
            end_ps = start_ps
            for _ in range(work.repeat):
                end_ps += work.duration_ps
            return end_ps, [Event(work, start_ps, end_ps)]
        case InTurn(children):
            events = []
            for child in children:
                start_ps, happened = replay(child, start_ps)
                events += happened
            return start_ps, events
        case Loop(body, times) | Identical(body, times):
            return replay(InTurn((body,) * times), start_ps)
        case Parallel(children):
            ends, logs = zip(*(replay(child, start_ps) for child in children), strict=True)
            return max(ends), [event for log in logs for event in log]
        case Copies(body, times):
            return replay(Parallel((body,) * times), start_ps)


def action_counts(events: Sequence[Event]) -> Counter[str]:
    """Count every action of a replay, event by event."""
    total: Counter[str] = Counter()
    for event in events:
        for action, count in event.step.counts:
            total[action] += event.step.repeat * count
    return total


def busy_ps(events: Sequence[Event]) -> Counter[str]:
    """Return the busy time of every component, summed over its hardware instances."""
    total: Counter[str] = Counter()
    for event in events:
        total[event.step.component] += event.end_ps - event.start_ps
    return total


# --- a program with dependencies between assignments -----------------------------------------------------------------


def repetitions(program: Program) -> Iterator[ProgramBlock]:
    """Yield every block once per repetition."""
    for block in program.blocks:
        for _ in range(block.repeat):
            yield block


def longest_path_ps(program: Program) -> int:
    """Return the end time of a program with unlimited resources: the longest path through its dependencies.

    It is a recursion from every assignment to its dependencies, without a clock.
    """
    needs: list[list[int]] = []
    durations: list[int] = []
    before: list[int] = []
    for block in repetitions(program):
        number_of: dict[str, list[int]] = {BLOCK_INPUT: before}
        for task in block.tasks:
            number_of[task.name] = []
            for assignment in task.assignments:
                needs.append([each for name in assignment.after for each in number_of[name]])
                number_of[assignment.name] = [len(durations)]
                number_of[task.name] += [len(durations)]
                durations.append(replay(assignment.work())[0])
        before = number_of[block.tasks[-1].name]

    @cache
    def end_ps(number: int) -> int:
        return max((end_ps(each) for each in needs[number]), default=0) + durations[number]

    return max((end_ps(number) for number in range(len(durations))), default=0)


def units_needed(intervals: Sequence[tuple[int, int]]) -> int:
    """Return the largest number of intervals that overlap; an interval that ends frees its unit before one starts."""
    moments = sorted(
        [(end, -1) for start, end in intervals if end > start] + [(s, 1) for s, end in intervals if end > s]
    )
    most = now = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    assert now == 0
    return most


# --- systolic arrays, register by register --------------------------------------------------------------------------


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


# --- a weight matrix on crossbar pairs, weight by weight ------------------------------------------------------------


@dataclass
class Pair:
    """Rows, columns and weights of a matrix on one crossbar pair."""

    rows: set[int] = field(default_factory=set)
    columns: set[int] = field(default_factory=set)
    cells: set[tuple[int, int]] = field(default_factory=set)


def grid_tiles(inputs: int, outputs: int, rows: int, columns: int, pes: int) -> list[list[Pair]]:
    """Place a matrix weight by weight; pairs are numbered down a column block, then in the next block."""
    row_blocks = len(range(0, inputs, rows))
    pairs: dict[int, Pair] = {}
    for i in range(inputs):
        for j in range(outputs):
            pair = pairs.setdefault((j // columns) * row_blocks + i // rows, Pair())
            pair.rows.add(i)
            pair.columns.add(j)
            pair.cells.add((i, j))
    tiles: dict[int, list[Pair]] = {}
    for number in sorted(pairs):
        tiles.setdefault(number // pes, []).append(pairs[number])
    return [tiles[number] for number in sorted(tiles)]


@dataclass
class Additions:
    """Number of additions of the partial sums of one vector."""

    in_tiles: int
    across_tiles: int


def additions(tiles: list[list[Pair]], outputs: int) -> Additions:
    """Count, for every output column, one addition less than there are values to add."""
    in_tiles = across = 0
    for column in range(outputs):
        holders = [sum(column in pair.columns for pair in tile) for tile in tiles]
        in_tiles += sum(count - 1 for count in holders if count)
        across += sum(count > 0 for count in holders) - 1
    return Additions(in_tiles, across)


def _groups(lines: set[int], size: int) -> list[set[int]]:
    """Return the lines of one pair in groups of `size`, by their position in the array."""
    ordered = sorted(lines)
    return [set(ordered[at : at + size]) for at in range(0, len(ordered), size)]


def planes(bits: int, per_pulse: int, signed: bool) -> list[list[int]]:
    """Return the bits of an activation for each pulse; the sign bit, which is the last one, has its own pulse."""
    pulses: list[list[int]] = []
    for bit in range(bits):
        alone = signed and bit == bits - 1
        if not pulses or alone or len(pulses[-1]) == per_pulse:
            pulses.append([])
        pulses[-1].append(bit)
    return pulses


def conversions(
    tiles: list[list[Pair]], rows_at_once: int, adcs: int, planes: int, encoding: EncodingParams
) -> Counter[str]:
    """Count the actions of one vector in all pairs (drive, read, convert), plane by plane and group by group."""
    cells = [+1, -1] if encoding.cells == "differential" else [+1]
    currents = cells if encoding.readout == "separate" else [sum(cells)]
    total: Counter[str] = Counter()
    for pair in (pair for tile in tiles for pair in tile):
        for _ in range(planes):
            for driven in _groups(pair.rows, rows_at_once):
                for converted in _groups(pair.columns, adcs):
                    total["dac_conversion"] += len(driven)
                    total["adc_conversion"] += sum(1 for _ in converted for _ in currents)
                    total["cell_read"] += sum(1 for i, j in pair.cells for _ in cells if i in driven and j in converted)
    return total


# --- the mesh -------------------------------------------------------------------------------------------------------


def order(name: str, rows: int, columns: int) -> list[Position]:
    """Return the tiles of a mesh in one of the placement orders of MNSIM, by walking."""
    inside = [(row, column) for row in range(rows) for column in range(columns)]
    match name:
        case "rows":
            return inside
        case "snake":
            return [(row, column if row % 2 == 0 else columns - 1 - column) for row, column in inside]
        case "shells":
            walk = _shell_walk()
            found: list[Position] = []
            while len(found) < rows * columns:
                row, column = next(walk)
                if row < rows and column < columns:
                    found.append((row, column))
            return found
        case _:
            assert name == "diagonals"
            return sorted(inside, key=lambda tile: (sum(tile), tile[0] if sum(tile) % 2 else tile[1]))


def _shell_walk() -> Iterator[Position]:
    """Walk one tile right, s down, s left, one down, s + 1 right, s + 1 up, and so on (order `shells` of MNSIM)."""
    row = column = 0
    yield row, column
    size = 1
    while True:
        moves = (
            [(0, 1)] + [(1, 0)] * size + [(0, -1)] * size if size % 2 else [(1, 0)] + [(0, 1)] * size + [(-1, 0)] * size
        )
        for down, right in moves:
            row, column = row + down, column + right
            yield row, column
        size += 1


def distances(rows: int, columns: int, origin: Position) -> dict[Position, int]:
    """Return the hops from `origin` to every tile of a mesh, by breadth-first search."""
    found, queue = {origin: 0}, deque([origin])
    while queue:
        row, column = queue.popleft()
        for near in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            if 0 <= near[0] < rows and 0 <= near[1] < columns and near not in found:
                found[near] = found[row, column] + 1
                queue.append(near)
    return found


def aggregator(rows: int, columns: int, tiles: Sequence[Position], destinations: Sequence[Position]) -> Position:
    """Return the first tile of the matrix, row by row, with the smallest d_in + d_out."""
    best: tuple[int, Position] | None = None
    for row in range(rows):
        for column in range(columns):
            if (row, column) in tiles:
                hops = distances(rows, columns, (row, column))
                total = max(hops[tile] for tile in tiles) + max((hops[tile] for tile in destinations), default=0)
                if best is None or total < best[0]:
                    best = (total, (row, column))
    assert best
    return best[1]


def bit_hops(lengths: Sequence[int], bits: Sequence[int]) -> int:
    """Return the sum of bits times hops over all messages."""
    return sum(hops * size for hops, size in zip(lengths, bits, strict=True))


def moving_bits(lengths: Sequence[int], bits: Sequence[int]) -> list[int]:
    """Return, for each hop, the bits of the messages that have not arrived before it."""
    longest = max(lengths, default=0)
    return [sum(size for hops, size in zip(lengths, bits, strict=True) if hops > hop) for hop in range(longest)]


def first_positions(layers: Sequence[Sequence[int]], mesh_tiles: int) -> tuple[list[list[int]], int]:
    """Return the first tile of each placement group of each layer on its mesh, and the number of meshes.

    Banks are lists of free tiles. A group is placed in the last bank if it fits, else in a new one.
    """
    banks = [list(range(mesh_tiles))]
    starts = []
    for sizes in layers:
        layer = []
        for size in sizes:
            if len(banks[-1]) < size:
                banks.append(list(range(mesh_tiles)))
            taken, banks[-1] = banks[-1][:size], banks[-1][size:]
            layer.append(taken[0])
        starts.append(layer)
    return starts, len(banks)


def message_end(config: MeshConfig, bits: int, hops: int, add_s: float) -> int:
    """Return the arrival time of a message over `hops` idle links, packet by packet and hop by hop."""
    sizes = []
    while config.packet_bits and bits > config.packet_bits:
        sizes.append(config.packet_bits)
        bits -= config.packet_bits
    sizes.append(bits)
    free = [0] * hops
    end = 0
    for size in sizes:
        link_ps = round((add_s + size / config.link_bandwidth_bps) * 1e12)
        lead = link_ps
        if config.switching == "cut_through":
            lead = round((add_s + min(size, config.flit_bits) / config.link_bandwidth_bps) * 1e12)
        ready = 0
        for hop in range(hops):
            start = max(ready, free[hop])
            free[hop] = start + link_ps
            ready = start + lead + round(config.router_latency_s * 1e12)
            end = start + link_ps + round(config.router_latency_s * 1e12)
    return end
