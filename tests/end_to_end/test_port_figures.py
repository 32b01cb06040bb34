"""What the port of the global buffer costs OPT-6.7B, with every access counted by hand.

OPT-6.7B: 32 layers, d_model D = 4096, d_ff = 16384, 32 heads of 128; 8-bit operands. A port of 64 bytes at 100 MHz
makes an access of 64 bytes every 10 ns: 6.4 GB/s.
"""

from __future__ import annotations

import math
from collections import Counter

import pytest

from pimsim import load_config, simulate
from pimsim.results.explanation import explain
from pimsim.simulation import make_trace
from pimsim.studies.serving.iteration_costs import StepCosts
from tests.support.closeness import near
from tests.support.programs import program_of
from workloads import SequenceGroup, find_model, mixed_step

ACCESS_PS = 10_000
LAYERS, HEADS, D = 32, 32, 4096


def array_of(rows: int, columns: int) -> list[str]:
    """Return the keys of another array than 32 x 32, whose energy per cycle is the only fitted one."""
    energies = ["mac_energy_j=0.23 pJ", "cycle_energy_j=0 J", "cycle_energy_array=null"]
    return [f"machine.systolic.{key}" for key in (f"rows={rows}", f"columns={columns}", *energies)]


TALL = [*array_of(1024, 1), "workload.context_length=4096"]
PREFILL = ["workload.phase=prefill", "workload.prompt_length=512"]


def port_of(name: str, overrides: list[str]) -> Counter[tuple[str, str]]:
    """Return the time of the port by kind of op and component, picoseconds."""
    config = load_config(name, ["machine.sram.ports=1", *overrides])
    total: Counter[tuple[str, str]] = Counter()
    for block, task in program_of(config, make_trace(config)).tasks():
        for each in task.assignments:
            total[task.kind, each.component.name] += block.repeat * each.stream.port_ps if each.stream else 0
    return total


def test_an_array_of_one_column_needs_339_ms_of_port() -> None:
    """1024 x 1 at 4,096 tokens, os: 7.40 tokens/s without a port, at most 2.95 with one."""
    words = D // 64
    entries = 4096 * 128 // 64  # of K, and of V, per head
    scores = entries + 4 * 128 // 64 + 4096 // 64  # four folds of 1,024 entries read the query each
    values = entries + 4096 // 64 + 128 // 64
    attention = HEADS * (scores + values + 2 * entries)  # the entries come in through the same port
    projections = (4 * 2 + 2 * 5) * words  # q, k, v, o; up and down: D on one side, 4 D on the other
    norms, residuals = 2 * 3 * words, 2 * 3 * words  # two passes and a result; two operands and a result
    others = 2 * words + projections + norms + residuals + 2 * 4 * words + HEADS * 2 * 4096 // 64
    port_ps = LAYERS * (attention + others) * ACCESS_PS
    assert port_ps == 339_087_360_000
    assert sum(port_of("pim-llm-published", TALL).values()) == port_ps

    free = simulate(load_config("pim-llm-published", TALL))
    assert free.tokens_per_s == pytest.approx(7.40, abs=0.005)
    assert 1e12 / port_ps == pytest.approx(2.95, abs=0.005)
    for schedule in ("serial", "dataflow", "contended"):
        result = simulate(load_config("pim-llm-published", ["machine.sram.ports=1", f"schedule={schedule}", *TALL]))
        assert (result.latency_ps >= port_ps) == (schedule != "dataflow")
        assert any("need 0.3391 s of its port (machine.sram.ports)" in note for note in result.notes) == (
            schedule == "dataflow"
        )
        assert result.energy_j == free.energy_j
        unlimited, limited = (
            simulate(load_config("pim-llm", [f"machine.sram.ports={ports}", f"schedule={schedule}", *TALL]))
            for ports in ("null", 1)
        )
        # Idle components are gated: the memory, whose transfers wait for the port, is powered for longer, and the
        # buffer while its port has accesses, 0.1408 mW of two banks.
        longer = {each.name: each.leakage_j - unlimited.component(each.name).leakage_j for each in limited.components}
        assert {name for name, added_j in longer.items() if added_j} == {"memory", "sram"}
        for name, power_w in (("memory", 0.172), ("sram", 140.8e-6)):
            busy_ps = limited.component(name).busy_ps - unlimited.component(name).busy_ps
            assert longer[name] == near(power_w * busy_ps * 1e-12, rel=1e-9)
        assert limited.energy_j - unlimited.energy_j == near(math.fsum(longer.values()), rel=1e-9)
    # The serial excess by hand: of scores, values, their transfers, residuals and appends the port is the slower one.
    serial = simulate(load_config("pim-llm-published", ["machine.sram.ports=1", *TALL]))
    added = {part: serial.parts_ps[part] - free.parts_ps[part] for part in serial.parts_ps}
    assert {part for part, ps in added.items() if ps} == {"sram"}
    assert added["sram"] == serial.latency_ps - free.latency_ps


def matmul_bytes(m: int, n: int, k: int, size: int) -> int:
    """Weights and inputs stream through a size x size array under os, each once per fold of the other's outputs."""
    return m * k * -(-n // size) + n * k * -(-m // size) + m * n


@pytest.mark.parametrize(("size", "seconds"), [(32, 33.31), (256, 5.13)])
def test_projections_of_a_prefill(size: int, seconds: float) -> None:
    """512 tokens of TPU-LLM: on 32 x 32 the port needs 33.31 s for 32.58 s of the array, residuals 1.5 times the time
    of the vector unit; on 256 x 256 all ops need 5.6 s of port, and 1.05 s were printed.
    """
    shapes = [*[(D, 512, D)] * 4, (4 * D, 512, D), (D, 512, 4 * D)]
    array = LAYERS * sum(matmul_bytes(*shape, size) for shape in shapes)
    weights = LAYERS * sum(m * k for m, _, k in shapes)
    overrides = [*PREFILL, *array_of(size, size)]
    port = port_of("tpu-llm-published", overrides)
    assert port["projection", "systolic"] == array // 64 * ACCESS_PS
    assert port["projection", "memory"] == weights // 64 * ACCESS_PS
    assert (port["projection", "systolic"] + port["projection", "memory"]) / 1e12 == pytest.approx(seconds, abs=0.005)

    free = simulate(load_config("tpu-llm-published", overrides))
    if size == 256:
        assert free.latency_ps / 1e12 == pytest.approx(1.05, abs=0.005)
        assert sum(port.values()) / 1e12 == pytest.approx(5.62, abs=0.005)
    else:
        busy = sum(op.repeat * op.parts_ps["systolic"] for op in free.ops if op.kind == "projection")
        assert busy / 1e12 == pytest.approx(32.58, abs=0.005)
        residuals = sum(op.repeat * op.parts_ps["vector"] for op in free.ops if op.kind == "residual")
        assert port["residual", "vector"] / residuals == near(192 / 132)  # accesses and cycles of a vector
    for schedule in ("serial", "contended"):
        limited = simulate(
            load_config("tpu-llm-published", ["machine.sram.ports=1", f"schedule={schedule}", *overrides])
        )
        assert limited.latency_ps >= sum(port.values())


def test_explanations_name_the_port() -> None:
    overrides = ["machine.sram.ports=1", *TALL]
    serial = explain(simulate(load_config("pim-llm-published", overrides)))
    first = serial.stretched[0]
    assert (first.op, first.component) == ("scores", "memory")
    lost_ps = sum(each.critical_ps for each in serial.stretched)
    assert any(
        f"global buffer (machine.sram.ports, width_bits) for {lost_ps / serial.latency_ps:.1%}" in each
        for each in serial.sentences()
    )
    contended = explain(simulate(load_config("pim-llm-published", [*overrides, "schedule=contended"])))
    assert (contended.contended[0].piece, contended.contended[0].component) == ("port", "sram")
    assert any("at port of sram" in sentence for sentence in contended.sentences())
    assert not explain(simulate(load_config("pim-llm-published", TALL))).stretched


def test_serving_adds_up_what_one_pass_would_take() -> None:
    """Serial: each op has its own accesses, so that the costs of slices add up to those of the whole iteration."""
    overrides = ["machine.sram.ports=1", "workload.model=gpt2-small", *array_of(512, 1)]
    config = load_config("pim-llm-published", overrides)
    groups = ((1, 700, 3), (1, 90, 1), (40, 40, 1))
    of_slices = StepCosts(config).of(groups, outputs=5)
    trace = mixed_step(
        find_model("gpt2-small"),
        [SequenceGroup(sequences, queries, context) for queries, context, sequences in groups],
        outputs=5,
    )
    whole = simulate(config, trace)
    assert of_slices.latency_ps == whole.latency_ps
    free = load_config(config.model_dump(mode="json"), ["machine.sram.ports=null"])
    assert whole.parts_ps["sram"] > simulate(free, trace).parts_ps["sram"]
