"""Systolic array: SCALE-Sim's cycle counts, and arrays walked register by register."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_config
from pimsim.config.schema import Dataflow, SystolicConfig
from pimsim.hardware.systolic import MatmulShare, Systolic
from pimsim.steps.step_tree import Step, action_counts
from tests.oracles import naive_schedule, naive_systolic
from tests.support import component_strategies
from tests.support.closeness import near
from workloads.ops import AttentionScores, AttentionValues, Projection

# Measured with SCALE-Sim 3.0.0 on a 32 x 32 array (compute cycles as it prints them), the last two in column "is" of
# 4096,1,4096 and 16384,1,4096 by its formula, since they did not finish: pimsim/studies/validation/data/systolic.yaml.
# Its M is the number of vectors, N the number of outputs.
SCALE_SIM = """
    M,N,K         |      OS |      WS |      IS
    4096,1,4096   |  532223 |  536319 | 1556479
    128,1,128     |     759 |     887 |    1519
    4096,1,128    |   24319 |   16759 |   48639
    128,1,4096    |   16631 |   28415 |   48639
    1,4096,128    |   24319 |   48639 |   16759
    32,32,32      |      93 |     125 |     125
    100,60,70     |    1055 |    1163 |    1847
    16384,1,4096  | 2128895 | 2109183 | 6225919
"""


def scale_sim_entries() -> list[tuple[Dataflow, tuple[int, int, int], int]]:
    header, *lines = ([cell.strip() for cell in line.split("|")] for line in SCALE_SIM.strip().splitlines())
    entries: list[tuple[Dataflow, tuple[int, int, int], int]] = []
    for shape, *cycles in lines:
        m, n, k = map(int, shape.split(","))
        for name, printed in zip(header[1:], cycles, strict=True):
            dataflow: Dataflow = {"OS": "os", "WS": "ws", "IS": "is"}[name]  # type: ignore[assignment]
            entries.append((dataflow, (m, n, k), int(printed)))
    return entries


def array(**changes: object) -> Systolic:
    stock = load_config({}).machine.systolic
    return Systolic(SystolicConfig(**stock.model_dump() | changes))


def test_the_table_is_whole() -> None:
    assert len(scale_sim_entries()) == 24


@pytest.mark.parametrize(("dataflow", "shape", "printed"), scale_sim_entries())
def test_cycles_are_scale_sim_s(dataflow: Dataflow, shape: tuple[int, int, int], printed: int) -> None:
    systolic = array(dataflow=dataflow, clock_hz=1e12)  # a picosecond a cycle
    vectors, outputs, k = shape
    share = MatmulShare(m=outputs, n=vectors, k=k)
    assert systolic.cycles(share) == printed
    assert systolic.latency_ps(share) == printed
    end_ps, events = naive_schedule.replay(systolic.work(share))
    assert end_ps == printed
    assert naive_schedule.action_counts(events) == {"systolic.cycle": printed, "systolic.mac": share.macs}


# Total compute cycles that SCALE-Sim 3.0.0 (from PyPI, with NumPy 1.26) printed in COMPUTE_REPORT.csv for a GEMM table
# on 2026-11-29, InterfaceBandwidth CALC. ArrayHeight x ArrayWidth, then os, ws, is of each layer.
SCALE_SIM_SHAPES = {"one": (1, 256, 256), "few": (5, 96, 80), "many": (70, 40, 33), "tall": (1, 130, 20)}
"""M, N, K as SCALE-Sim names them: vectors, outputs, length of the dot products."""
SCALE_SIM_ARRAYS = {
    (32, 32): {"one": (2543, 6079, 2799), "few": (425, 890, 569), "many": (569, 655, 803), "tall": (409, 474, 223)},
    (16, 64): {"one": (1335, 6079, 5599), "few": (315, 989, 949), "many": (554, 491, 803), "tall": (293, 569, 447)},
    (64, 16): {"one": (5343, 9151, 1591), "few": (947, 1763, 475), "many": (665, 635, 909), "tall": (881, 1286, 271)},
}


@pytest.mark.parametrize("size", SCALE_SIM_ARRAYS)
@pytest.mark.parametrize("layer", SCALE_SIM_SHAPES)
def test_projections_take_the_cycles_of_scale_sim(size: tuple[int, int], layer: str) -> None:
    """The same product as a projection: ws keeps the weights in both, os is SCALE-Sim's on the turned array."""
    height, width = size
    vectors, outputs, k = SCALE_SIM_SHAPES[layer]
    op = Projection("fc", ("input",), "ffn_up", k, outputs, vectors, weight_bits=8, activation_bits=8)
    share = MatmulShare(op.matmul.m, op.matmul.n, op.matmul.k)
    cycles = (
        array(dataflow="os", rows=width, columns=height).cycles(share),
        array(dataflow="ws", rows=height, columns=width).cycles(share),
        array(dataflow="is", rows=height, columns=width).cycles(share),
    )
    assert cycles == SCALE_SIM_ARRAYS[size][layer]


def test_weight_stationary_attention_keeps_k_and_v() -> None:
    """By hand: keys and values of 64 entries fill 2 folds of 32 x 32, read once; 3 queries stream through each."""
    shape = {"heads": 3, "kv_heads": 1, "d_head": 32, "queries": 1, "context": 64, "bits": 8}
    scores = AttentionScores("s", ("input",), **shape)
    values = AttentionValues("v", ("input",), **shape)
    for op in (scores, values):
        share = MatmulShare(op.matmul.m, op.matmul.n, op.matmul.k)
        stays, moves = array(dataflow="ws"), array(dataflow="is")
        assert stays.cycles(share) == 2 * (3 + 64 + 32 - 2) - 1
        assert moves.cycles(share) == (1 if op is scores else 2) * (share.m + 64 + 32 - 2) - 1
    # Scores, ws: 64 x 32 keys once, 3 x 32 queries for both folds. Under is the queries are read once, keys as well.
    share = MatmulShare(scores.matmul.m, scores.matmul.n, scores.matmul.k)
    assert array(dataflow="ws").operand_bytes(share) == (64 * 32 + 2 * 3 * 32, 64 * 3)
    assert array(dataflow="is").operand_bytes(share) == (3 * 32 + 64 * 32, 64 * 3)


@st.composite
def products(draw: st.DrawFn) -> tuple[naive_systolic.Matrix, naive_systolic.Matrix]:
    m, n, k = (draw(st.integers(1, 9)) for _ in "mnk")
    element = st.integers(-128, 127)
    a = draw(st.lists(st.lists(element, min_size=k, max_size=k), min_size=m, max_size=m))
    return a, draw(st.lists(st.lists(element, min_size=n, max_size=n), min_size=k, max_size=k))


@given(product=products(), rows=st.integers(1, 5), columns=st.integers(1, 5), dataflow=component_strategies.dataflows)
def test_an_array_walked_cycle_by_cycle(
    product: tuple[naive_systolic.Matrix, naive_systolic.Matrix], rows: int, columns: int, dataflow: Dataflow
) -> None:
    """Operands and sums that move a unit a cycle give the product, in the cycles of the formula.

    The walks are written for SCALE-Sim's roles: inputs [vectors, K], and a filter [K, outputs] that stays under ws.
    """
    inputs, weights = product
    cycles, result = naive_systolic.WALKS[dataflow](inputs, weights, rows, columns)
    assert result == naive_systolic.matmul(inputs, weights)
    turned = dataflow == "os"  # there the vectors lie along the rows, in pimsim the outputs do
    size = {"rows": columns, "columns": rows} if turned else {"rows": rows, "columns": columns}
    systolic = array(**size, dataflow=dataflow)
    share = MatmulShare(m=len(weights[0]), n=len(inputs), k=len(weights))
    assert systolic.cycles(share) == cycles - 1  # SCALE-Sim prints the number of the last cycle, counted from 0
    assert systolic.folds(share) * systolic.fold_cycles(share) == cycles


@given(
    config=component_strategies.systolic_configs(),
    share=st.builds(MatmulShare, *(st.integers(1, 40) for _ in "mnk"), st.integers(1, 5)),
)
def test_closed_form_is_the_sum_of_the_steps(config: SystolicConfig, share: MatmulShare) -> None:
    systolic = Systolic(config)
    end_ps, events = naive_schedule.replay(systolic.work(share))
    assert systolic.latency_ps(share) == end_ps
    counts = naive_schedule.action_counts(events)
    assert counts["systolic.mac"] == share.macs
    assert counts["systolic.cycle"] == share.count * systolic.cycles(share)
    # Rounded to picoseconds once per fold, so at most half a picosecond off for each of them.
    exact_ps = counts["systolic.cycle"] / config.clock_hz * 1e12
    assert abs(end_ps - exact_ps) <= 0.5 * share.count * systolic.folds(share) + 1e-9 * exact_ps


def test_every_fold_is_a_step_of_its_own() -> None:
    steps = [event.step for event in naive_schedule.replay(array().work(MatmulShare(m=100, n=60, k=70)))[1]]
    assert [(step.label, step.repeat, step.duration_ps) for step in steps] == [
        ("fold", 7, 132 * 10_000),
        ("last fold", 1, 131 * 10_000),
    ]
    (only,) = (event.step for event in naive_schedule.replay(array().work(MatmulShare(m=32, n=32, k=32)))[1])
    assert (only.label, only.repeat, only.duration_ps) == ("last fold", 1, 93 * 10_000)
    assert isinstance(only, Step)


@st.composite
def operand_cases(draw: st.DrawFn) -> tuple[SystolicConfig, MatmulShare]:
    config = draw(component_strategies.systolic_configs())
    m, n, k = (draw(st.integers(1, 9)) for _ in "mnk")
    return config, MatmulShare(m, n, k, draw(st.integers(1, 3)), output_bytes=draw(st.sampled_from([1, 4])))


@given(case=operand_cases())
def test_operand_bytes_fold_by_fold(case: tuple[SystolicConfig, MatmulShare]) -> None:
    """Oracle: the bytes of each fold's operands; sums that do not stay are written, and read again by the next."""
    config, share = case
    m, n, k = range(share.m), range(share.n), range(share.k)
    # The operand dimensions that a fold takes a slice of, and the one that streams through.
    along_rows, along_columns = {"os": (m, n), "ws": (k, m), "is": (k, n)}[config.dataflow]
    read = written = 0
    for top in along_rows[:: config.rows]:
        for left in along_columns[:: config.columns]:
            high, wide = along_rows[top : top + config.rows], along_columns[left : left + config.columns]
            match config.dataflow:
                case "os":
                    read += len(high) * len(k) + len(k) * len(wide)
                    written += share.output_bytes * len(high) * len(wide)
                case "ws":  # a block of weights, and all vectors
                    read += len(high) * len(wide) + len(n) * len(high)
                case "is":  # a block of vectors, and all weights
                    read += len(high) * len(wide) + len(m) * len(high)
            if config.dataflow != "os":
                sums = len(wide) * (len(n) if config.dataflow == "ws" else len(m))
                read += 4 * sums if top > 0 else 0
                written += share.output_bytes * sums if top + config.rows >= len(k) else 4 * sums
    assert Systolic(config).operand_bytes(share) == (share.count * read, share.count * written)


def test_energy_area_and_leakage() -> None:
    figures = {"mac_energy_j": 2e-13, "cycle_energy_j": 3e-11, "unit_cycle_energy_j": 4e-13}
    systolic = array(rows=3, columns=5, **figures, leakage_w=0.25, pe_area_m2=4e-10)
    assert systolic.action_energies_j() == {"mac": 2e-13, "cycle": near(3e-11 + 15 * 4e-13)}
    (area,) = systolic.areas()
    assert area.count == 15
    assert area.total_m2 == near(60e-10)
    assert systolic.leakage_w() == 0.25


@pytest.mark.parametrize(
    ("rows", "columns", "shape", "cycles"),
    [
        # os: ceil(m/R) ceil(n/C) folds of k + R + C - 2 cycles, the last one a cycle less
        (32, 32, (4096, 128, 64), 128 * 4 * (64 + 62) - 1),
        (8, 16, (100, 1, 64), 13 * 1 * (64 + 22) - 1),
        (128, 128, (64, 512, 4096), 1 * 4 * (4096 + 254) - 1),
    ],
)
def test_energy_is_macs_and_clocked_units(rows: int, columns: int, shape: tuple[int, int, int], cycles: int) -> None:
    """By hand at three sizes: MACs x 0.23 pJ (Horowitz) + cycles x R x C x 0.381 pJ (48 bits x 7.94 fJ, Aladdin)."""
    systolic = array(rows=rows, columns=columns, dataflow="os", mac_energy_j=0.23e-12, unit_cycle_energy_j=0.381e-12)
    m, n, k = shape
    assert energy_j(systolic, MatmulShare(m, n, k)) == near(
        m * n * k * 0.23e-12 + cycles * rows * columns * 0.381e-12, rel=1e-12
    )


def energy_j(systolic: Systolic, share: MatmulShare) -> float:
    each = systolic.action_energies_j()
    return sum(count * each[name.partition(".")[2]] for name, count in action_counts(systolic.work(share)).items())


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_energy_per_mac_is_plausible_and_grows_with_the_units(dataflow: Dataflow) -> None:
    """Between 0.2 and 1 pJ/MAC where at least half of the unit-cycles multiply: at most 0.23 + 2 x 0.381 = 0.992."""
    busy = 0
    for share in (MatmulShare(4096, 512, 4096), MatmulShare(512, 4096, 128), MatmulShare(128, 512, 4096)):
        energies = []
        for side in (8, 16, 32, 64, 128, 256):
            systolic = array(
                rows=side, columns=side, dataflow=dataflow, mac_energy_j=0.23e-12, unit_cycle_energy_j=0.381e-12
            )
            energies.append(energy_j(systolic, share))
            if 2 * share.macs >= systolic.cycles(share) * side**2:
                busy += 1
                assert 0.2e-12 <= energies[-1] / share.macs <= 1e-12
        assert energies == sorted(energies)
    assert busy >= 3


def test_a_fitted_energy_per_cycle_is_refused_for_another_array() -> None:
    fitted = array(cycle_energy_j=3e-11, cycle_energy_array=(32, 32), unit_cycle_energy_j=0)
    assert fitted.action_energies_j()["cycle"] == 3e-11
    assert array(rows=64, cycle_energy_array=(32, 32)).config.cycle_energy_j == 0
    with pytest.raises(ValueError, match=r"array of 32 x 32 only .*, not for 64 x 32: .*mac_energy_j and unit_cycle"):
        array(rows=64, cycle_energy_j=3e-11, cycle_energy_array=(32, 32))
    with pytest.raises(ConfigError, match="unit_cycle_energy_j, which hold for any size"):
        load_config("pim-llm-published", ["machine.systolic.columns=1024"])
