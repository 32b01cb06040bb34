"""The compiled loop of a DRAM compared with the Python model, which `test_dram_random` compares command by command.

Most tests let Python execute the functions of the loop, so that nothing is compiled for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pimsim.config.loading import load_config
from pimsim.config.schema import MemoryConfig
from pimsim.engine import run
from pimsim.hardware.memory import Memory, MemoryShare
from pimsim.hardware.shared import dram
from pimsim.hardware.shared.compiled import dram_kernel
from pimsim.hardware.shared.compiled.compiled_dram import FIRST_PLACES, CompiledDram
from pimsim.hardware.shared.dram import Dram
from pimsim.hardware.shared.medium import Medium
from pimsim.simulation import make_trace
from tests.pimsim.hardware.shared.memories import Job, drams, drive, jobs
from tests.support.counts import scaled
from tests.support.programs import program_of

EXECUTED = dram_kernel.advance.py_func
LPDDR5X = load_config("memory-lpddr5x-timing").machine.memory
CROWD: list[Job] = [  # more jobs at once than there are places at first, all with a request behind the first
    (100 * each, MemoryShare(40 + 72 * each, write=each % 3 == 0, count=2, address=500 * each % 3001))
    for each in range(2 * FIRST_PLACES + 3)
]


def check_equal(config: MemoryConfig, work: list[Job], compiled: CompiledDram, stops: Iterable[int] = ()) -> None:
    """The same completions (times, longest waits, counts) and the same statistics of channels, banks and refreshes."""
    model = Dram(config)
    assert drive(compiled, work, stops) == drive(model, work)
    assert compiled.uses() == model.uses()
    assert compiled.next_event_ps() is None
    assert compiled.stuck() == ""


@settings(max_examples=scaled(40, 5_000))
@given(config=drams(), work=jobs, expand=st.booleans(), stops=st.lists(st.integers(0, 6_000_000), max_size=8))
def test_equals_the_python_model(config: MemoryConfig, work: list[Job], expand: bool, stops: list[int]) -> None:
    check_equal(config, work, CompiledDram(Dram(config, expand=expand), EXECUTED), stops)


@settings(max_examples=scaled(4, 500))
@given(config=drams())
@example(config=LPDDR5X)
def test_any_number_of_jobs_at_once(config: MemoryConfig) -> None:
    compiled = CompiledDram(Dram(config), EXECUTED)
    check_equal(config, CROWD, compiled)
    assert sorted(compiled.free) == list(range(len(compiled.progress))), "the places of all jobs are free again"


@settings(max_examples=scaled(20, 2_000))
@given(config=drams(), work=jobs)
def test_what_is_compiled_does_what_python_executes(config: MemoryConfig, work: list[Job]) -> None:
    check_equal(config, work, CompiledDram(Dram(config)))


def test_an_idle_memory_catches_up_with_its_refreshes() -> None:
    """Refreshes of a second without work are counted at once; the time between two is that of the config."""
    late_ps = 1_000_000_000_000
    work = [(0, MemoryShare(1 << 14)), (late_ps, MemoryShare(1 << 14))]
    for refresh in ("all_bank", "per_bank"):
        assert LPDDR5X.dram is not None
        config = LPDDR5X.model_copy(update={"dram": LPDDR5X.dram.model_copy(update={"refresh": refresh})})
        check_equal(config, work, CompiledDram(Dram(config), EXECUTED))


def test_only_long_runs_are_compiled() -> None:
    channels = LPDDR5X.channels
    model = Dram(LPDDR5X)
    assert model.for_work(dram.LEAST_COMPILED * channels - 1) is model
    assert isinstance(model.for_work(dram.LEAST_COMPILED * channels), CompiledDram)
    traced = Dram(LPDDR5X, traced=True)
    assert traced.for_work(1 << 40) is traced, "the compiled loop keeps no commands"


def test_a_contended_run_is_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The engine says how much work a run has for the memory: here K, V and the LM head of a small model."""
    path = tmp_path / "with_timing.yaml"
    path.write_text("extends: [pim-llm, memory-lpddr5x-timing]\n", encoding="utf-8")
    config = load_config(path, ["schedule=contended", "workload.model=gpt2-small", "workload.context_length=700"])
    program = program_of(config, make_trace(config))
    told: list[int] = []
    original = Dram.for_work

    def for_work(self: Dram, chunks: int) -> Medium:
        told.append(chunks)
        return original(self, chunks)

    monkeypatch.setattr(Dram, "for_work", for_work)
    expected = run(program, "contended")
    monkeypatch.setattr(dram, "LEAST_COMPILED", 0)
    assert run(program, "contended") == expected
    memory = Memory(config.machine.memory)
    chunks = sum(
        block.repeat * memory.chunk_count(each.share)
        for block in program.blocks
        for task in block.tasks
        for each in task.assignments
        if each.constraints.medium and isinstance(each.component, Memory)
    )
    assert told == [chunks, chunks]
    assert chunks > 1000
