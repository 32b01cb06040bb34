"""OPT-6.7B at context 1024, every switch by hand: the derivation of docs/study.md, in integers and without pimsim.

Only what is compared comes from pimsim, at the end. Numbers are those of the sources named in configs/defaults.yaml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pimsim.studies.paper.corrected_accounting import Corrected
from pimsim.studies.paper.paper_runs import Machine, Study
from pimsim.studies.paper.switches import ALL, NONE, Switches, settings
from tests.oracles.naive_mesh import order
from tests.support.closeness import near

PAGE = Path(__file__).parents[4] / "docs" / "study.md"

PIM: Machine = "pim-llm"
TPU: Machine = "tpu-llm"

# The model, and the sizes of its six matrices: in, out.
L, D, H, DH, FF, V, CONTEXT = 32, 4096, 32, 128, 16384, 50272, 1024
MATRICES = {"q": (D, D), "k": (D, D), "v": (D, D), "o": (D, D), "up": (D, FF), "down": (FF, D)}
WEIGHTS = 12 * D * D  # of a layer

# The machine.
CYCLE_PS = 10_000  # 100 MHz: systolic array, vector unit, global buffer, controller
CYCLE_J = 32.3924e-12
LPDDR_BYTES_PER_PS = 51.2e9 / 1e12
LPDDR_LATENCY_PS = 35_500
LPDDR_J_PER_BIT = 20e-12
SRAM_J, SRAM_BYTES, COMMAND_J, OPERATION_J = 744e-12, 64, 10e-12, 1.5e-12
TILE_LEAKAGE_W, SRAM_LEAKAGE_W, STORE_LEAKAGE_W = 5 * 8.863e-3, 8.83, 10.65e-3
FULL_TILE_PS = (
    (2 * 32 + 128 + 128) * 20_000  # buffers
    + 4 * 2_000  # load inputs
    + 32 * (559 + 3_000 + 3_160 + 65 + 8_000 + 2 * 2_000)  # passes: rows, DAC, read, columns, ADC, shift and add
    + (2 + 2) * 2_000  # latch outputs, merge tree
    + (1_500 + 1_750)  # to the tile's buffer, counted as communication
)


# --- systolic array -------------------------------------------------------------------------------------------------


def up(a: int, b: int) -> int:
    return -(-a // b)


def cycles(m: int, k: int) -> int:
    """A matrix-vector product on 32 x 32 units, output-stationary."""
    return up(m, 32) * (k + 62) - 1


ATTENTION_CYCLES = H * (cycles(CONTEXT, DH) + cycles(DH, CONTEXT))  # of a layer
PROJECTION_CYCLES = sum(cycles(out, into) for into, out in MATRICES.values())
LM_HEAD_CYCLES = cycles(V, D)


# --- tiles and mesh -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """Hops of a matrix: to the aggregator and on, of the farthest tile and of all together."""

    merge: int
    transfer: int
    all_merge: int
    all_transfer: int


def ways() -> dict[str, Way]:
    """The six matrices on consecutive tiles, four pairs of 256 x 256 each; the last sends to the port."""
    walk, placed = order("shells", 64, 64), []
    for into, out in MATRICES.values():
        size = into * out // 256**2 // 4
        placed.append(walk[:size])
        walk = walk[size:]
    found = {}
    for name, tiles, targets in zip(MATRICES, placed, [*placed[1:], [(32, 0)]], strict=True):
        hops = {
            at: (
                [abs(at[0] - r) + abs(at[1] - c) for r, c in tiles],
                [abs(at[0] - r) + abs(at[1] - c) for r, c in targets],
            )
            for at in sorted(tiles)
        }
        merge, transfer = min(hops.values(), key=lambda both: max(both[0]) + max(both[1]))
        found[name] = Way(max(merge), max(transfer), sum(merge), sum(transfer))
    return found


WAYS = ways()


def matrix_ps(name: str) -> int:
    """Tiles, then d_in hops of 1024 sums of 8 bits with an addition each, then d_out hops of the whole output."""
    _, out = MATRICES[name]
    merge_ps = 2_000 + 1024 * 8 * 50  # 50 ps a bit at 20 Gb/s
    return FULL_TILE_PS + WAYS[name].merge * merge_ps + WAYS[name].transfer * out * 8 * 50


def crossbar_energy_j() -> float:
    """Of all layers: pairs, tiles' buffers, mesh."""
    pairs, tiles = WEIGHTS // 256**2, WEIGHTS // 256**2 // 4
    passes = 8 * 2  # bit planes, and groups: of columns for DACs, of rows for ADCs
    cell_j = 0.1 * 0.15**2 * (0.67 / 1e6 + 0.33 / 10e3) * 3.16e-9
    pair_j = (
        passes * 256 * 3.9e-6 * 3e-9
        + passes * 256 * 12.0399e-12
        + 8 * 2 * 256 * 256 * cell_j
        + (passes * 256 + 192) * 0.03e-12  # shift-add; three of four pairs meet another in the tile's tree
        + (passes * 256 + 2 * 256) * 1.8e-17
        + 32 * (44.8e-12 + 43.7e-12)  # 256 bytes in words of 64 bits
    )
    tile_j = 128 * (44.8e-12 + 43.7e-12)  # 1024 sums of 8 bits
    additions = sum((into // 1024 - 1) * out for into, out in MATRICES.values())
    bit_hops = sum(8192 * (way.all_merge + way.all_transfer) for name, way in WAYS.items() if name != "down")
    bit_hops += 8192 * WAYS["down"].all_merge + D * 8 * WAYS["down"].all_transfer
    return L * (pairs * pair_j + tiles * tile_j + additions * 0.03e-12 + bit_hops * 0.0902702e-12)


# --- memory ---------------------------------------------------------------------------------------------------------


def read_ps(size_bytes: int) -> int:
    """Blocks of 256 KiB at the channels' peak, after the first latency."""
    blocks, rest = divmod(size_bytes, 2**18)
    return LPDDR_LATENCY_PS + blocks * round(2**18 / LPDDR_BYTES_PER_PS) + round(rest / LPDDR_BYTES_PER_PS)


def kv_ps() -> int:
    return L * (2 * H * read_ps(CONTEXT * DH) + read_ps(2 * D))


def kv_j() -> float:
    return (2 * CONTEXT * D * L + 2 * D * L) * 8 * LPDDR_J_PER_BIT


def lm_head_memory_ps() -> int:
    return 2 * read_ps(D) + read_ps(D * V)


def lm_head_memory_j() -> float:
    return (2 * D + D * V) * 8 * LPDDR_J_PER_BIT


def weights_ps(bits: int) -> int:
    return L * sum(read_ps(into * out * bits // 8) for into, out in MATRICES.values())


def weights_j(bits: int) -> float:
    return L * WEIGHTS * bits * LPDDR_J_PER_BIT


# --- digital units --------------------------------------------------------------------------------------------------


def passes_cycles(elements: int, passes: int = 1) -> int:
    return passes * (elements // 32 + 4)


VECTOR_CYCLES = 2 * passes_cycles(D, 2) + H * passes_cycles(CONTEXT) + 2 * passes_cycles(D) + passes_cycles(FF)
VECTOR_OPERATIONS = 2 * 2 * D + H * CONTEXT + 2 * D + FF
COMMANDS = 2 * 1 + 3 + 1 + 2 * H + 1 + 1 + 2 + 2 + 1  # norms; q, k, v; append; heads; softmax; o; residuals; FFN; relu
LM_HEAD_VECTOR_CYCLES = passes_cycles(D) + passes_cycles(D, 2)  # sum of the embeddings, final norm
LM_HEAD_COMMANDS = 2 + 1 + 1 + 1
PORT_ACCESSES = sum(into // SRAM_BYTES + out // SRAM_BYTES for into, out in MATRICES.values())


def streamed(m: int, k: int, count: int, operand_bytes: int) -> int:
    """Accesses that feed the array: matrix once, vector once per fold; results, and what memory brought, written."""
    return up((m * k + k * up(m, 32)) * count, SRAM_BYTES) + up(m * count + operand_bytes, SRAM_BYTES)


def accesses(machine: Machine, bits: int) -> int:
    """Of the global buffer, in a layer. The unit of a norm reads twice, of a residual two operands."""
    vector = 2 * 3 * D + 2 * 3 * D + 2 * H * CONTEXT + 2 * FF
    kv_bytes = CONTEXT * D
    attention = streamed(CONTEXT, DH, H, kv_bytes) + streamed(DH, CONTEXT, H, kv_bytes)
    total = vector // SRAM_BYTES + 2 * D // SRAM_BYTES + attention
    if machine == PIM:
        return total + PORT_ACCESSES
    return total + sum(streamed(out, into, 1, into * out * bits // 8) for into, out in MATRICES.values())


LM_HEAD_ACCESSES = (2 * D + 3 * D + 3 * D) // SRAM_BYTES + streamed(V, D, 1, D * V)


def digital_ps(machine: Machine) -> int:
    port = PORT_ACCESSES if machine == PIM else 0
    return L * (VECTOR_CYCLES + COMMANDS + port) * CYCLE_PS


def digital_j(machine: Machine, bits: int = 8) -> float:
    return L * (VECTOR_OPERATIONS * OPERATION_J + COMMANDS * COMMAND_J + accesses(machine, bits) * SRAM_J)


def lm_head_digital_ps() -> int:
    return (LM_HEAD_VECTOR_CYCLES + LM_HEAD_COMMANDS) * CYCLE_PS


def lm_head_digital_j() -> float:
    return 3 * D * OPERATION_J + LM_HEAD_COMMANDS * COMMAND_J + LM_HEAD_ACCESSES * SRAM_J


# --- all of it ------------------------------------------------------------------------------------------------------


TILES = L * WEIGHTS // 256**2 // 4


def leakage_j(machine: Machine, switches: Switches, token_ps: int) -> float:
    pim = machine == PIM
    if switches.leakage is None:
        return 0.0
    if switches.leakage == "ungated":
        return ((TILES * TILE_LEAKAGE_W if pim else 0.0) + SRAM_LEAKAGE_W + STORE_LEAKAGE_W) * token_ps * 1e-12
    commands = L * COMMANDS + (LM_HEAD_COMMANDS if switches.embedding_lm_head else 0)
    busy_j = STORE_LEAKAGE_W * commands * CYCLE_PS
    if pim:
        busy_j += TILES * TILE_LEAKAGE_W * FULL_TILE_PS + SRAM_LEAKAGE_W * L * PORT_ACCESSES * CYCLE_PS
    return busy_j * 1e-12


def published_ps(machine: Machine) -> int:
    attention_ps = L * ATTENTION_CYCLES * CYCLE_PS
    if machine == TPU:
        return attention_ps + L * PROJECTION_CYCLES * CYCLE_PS
    side_by_side = max(matrix_ps(name) for name in ("q", "k", "v"))
    return attention_ps + L * (side_by_side + sum(matrix_ps(name) for name in ("o", "up", "down")))


def published_j(machine: Machine) -> float:
    if machine == TPU:
        return L * (ATTENTION_CYCLES + PROJECTION_CYCLES) * CYCLE_J
    return crossbar_energy_j() + ATTENTION_CYCLES * CYCLE_J


def by_hand(machine: Machine, switches: Switches) -> tuple[int, float, int]:
    """Picoseconds, joules and operations of a token."""
    time_ps, energy_j = published_ps(machine), published_j(machine)
    macs = L * (WEIGHTS + 2 * CONTEXT * D)
    if switches.attention_all_layers and machine == PIM:
        energy_j += (L - 1) * ATTENTION_CYCLES * CYCLE_J
    if switches.embedding_lm_head:
        time_ps, energy_j = time_ps + LM_HEAD_CYCLES * CYCLE_PS, energy_j + LM_HEAD_CYCLES * CYCLE_J
        macs += D * V
    if switches.kv_traffic:
        time_ps, energy_j = time_ps + kv_ps(), energy_j + kv_j()
        if switches.embedding_lm_head:
            time_ps, energy_j = time_ps + lm_head_memory_ps(), energy_j + lm_head_memory_j()
    if switches.tpu_weight_storage and machine == TPU:
        bits = switches.tpu_weight_storage
        time_ps, energy_j = time_ps + weights_ps(bits), energy_j + weights_j(bits)
    if switches.digital_units:
        time_ps += digital_ps(machine)
        energy_j += digital_j(machine, switches.tpu_weight_storage or 8)
        if switches.embedding_lm_head:
            time_ps, energy_j = time_ps + lm_head_digital_ps(), energy_j + lm_head_digital_j()
    energy_j += leakage_j(machine, switches, time_ps)
    return time_ps, energy_j, (2 if switches.mac_is_two else 1) * macs


CASES: Mapping[str, Switches] = {
    "published": NONE,
    **{setting.label: NONE.turned_on(setting) for setting in settings()},
    "all, weights at 1 bit": replace(ALL, tpu_weight_storage=1),
    "all, weights at 2 bits": replace(ALL, tpu_weight_storage=2),
    "all, leakage off": replace(ALL, leakage="ungated"),
    "all together": ALL,
}


@pytest.fixture(scope="module")
def corrected() -> Corrected:
    return Corrected(Study())


@pytest.mark.parametrize("machine", [PIM, TPU])
@pytest.mark.parametrize("case", CASES)
def test_the_program_agrees_with_the_derivation(corrected: Corrected, machine: Machine, case: str) -> None:
    ours = corrected.figures(machine, "opt-6.7b", CONTEXT, CASES[case])
    time_ps, energy_j, operations = by_hand(machine, CASES[case])
    assert ours.latency_ps == time_ps
    assert ours.energy_j == near(energy_j, rel=1e-9)
    assert ours.tokens_per_s == near(1e12 / time_ps, rel=1e-9)
    assert ours.tokens_per_j == near(1 / energy_j, rel=1e-9)
    assert ours.gops == near(operations / time_ps * 1e3, rel=1e-9)
    assert ours.gops_per_w == near(operations / energy_j / 1e9, rel=1e-9)
    assert ours.words_per_charge == near(14_400 / energy_j / 1.5, rel=1e-9)


def in_the_text() -> Iterator[str]:
    """Numbers as docs/study.md writes them."""
    for machine in (PIM, TPU):
        yield f"{published_ps(machine):,} ps"
        yield f"{published_j(machine) * 1e3:.4f} mJ"
        yield f"{digital_ps(machine):,} ps"
        yield f"{digital_j(machine) * 1e3:.4f} mJ"
        yield f"{accesses(machine, 8):,}"
        for case in ("all together", "leakage=ungated", "leakage=idle_gated"):
            _, energy_j, _ = by_hand(machine, CASES[case])
            yield f"{energy_j * 1e3:,.4f} mJ"
        yield f"{by_hand(machine, ALL)[0]:,} ps"
    yield from (f"{way.merge} | {way.transfer} | {way.all_merge:,} | {way.all_transfer:,}" for way in WAYS.values())
    yield f"{max(matrix_ps(name) for name in 'qkv'):,} ps"
    yield from (f"{matrix_ps(name):,} ps" for name in MATRICES)
    yield f"{crossbar_energy_j() * 1e3:.4f} mJ"
    yield from (f"{each:,} cycles" for each in (ATTENTION_CYCLES, PROJECTION_CYCLES, LM_HEAD_CYCLES))
    yield f"{(L - 1) * ATTENTION_CYCLES * CYCLE_J * 1e3:.4f} mJ"
    for memory_ps, memory_j in (
        (LM_HEAD_CYCLES * CYCLE_PS, LM_HEAD_CYCLES * CYCLE_J),
        (kv_ps(), kv_j()),
        (lm_head_memory_ps(), lm_head_memory_j()),
        *((weights_ps(bits), weights_j(bits)) for bits in (1, 2, 8)),
        (lm_head_digital_ps(), lm_head_digital_j()),
    ):
        yield f"{memory_ps:,} ps"
        yield f"{memory_j * 1e3:,.4f} mJ"


def test_the_numbers_of_the_page_are_those_of_the_derivation() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert [each for each in in_the_text() if each not in text] == []
