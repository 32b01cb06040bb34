"""Registered kinds of op: their share of a run, the memory that they need, and the errors for invalid ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pimsim import load_config, simulate
from pimsim.base import registries
from pimsim.base.errors import PluginError, WorkloadInputError
from pimsim.hardware.machine import build_machine
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.vector import VectorShare
from pimsim.mapping.memory_footprint import memory_footprints
from pimsim.mapping.op_mappings import OP_GROUP, OP_KINDS, register_op
from pimsim.mapping.program import Assignment
from pimsim.mapping.tile_plan import plan_tiles
from tests.support.outside_kinds import restored_kinds
from tests.support.outside_ops import Scan, TopK, register, route, scan
from tests.support.programs import program_of
from workloads.op_kinds import KINDS
from workloads.ops import Embedding, Norm, Op, Quantise
from workloads.trace import Block, Trace, dumps, loads, read_trace, write_trace
from workloads.workload_errors import SpecError, TraceError


@pytest.fixture(autouse=True)
def _registered_for_one_test_only() -> Iterator[None]:
    with restored_kinds():
        yield


def trace_of(*ops: Op, repeat: int = 2) -> Trace:
    block = Block(name="layer", repeat=repeat, ops=ops)
    return Trace(model="outside", phase="decode", context_length=1, tokens=1, blocks=(block,))


def mamba() -> Trace:
    norm = Norm("norm", ("input",), norm="rmsnorm", vectors=1, elements=512)
    return trace_of(
        norm, Scan("scan", ("norm",), vectors=1, elements=512, states=16), TopK("route", ("scan",), 1, 512, 8)
    )


@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
def test_registered_ops_take_the_time_of_their_components(schedule: str) -> None:
    register()
    config, trace = load_config("tpu-llm", [f"schedule={schedule}"]), mamba()
    result, machine = simulate(config, trace), build_machine(config.machine)
    by_name = {op.name: op for op in result.ops}
    # Eight passes over 512 elements, each of which finds the largest one left; the buffer holds one byte per element.
    vector_ps = machine.vector.latency_ps(VectorShare("top-k", 1, 512, 8))
    assert by_name["route"].parts_ps["vector"] == vector_ps > 0
    # 16 states per element are read before the scan and written after it.
    moved = {f"memory.{what}_bit": 8 * 16 * 512 for what in ("read", "write")}
    assert {name: by_name["scan"].counts[name] for name in moved} == moved
    if schedule == "serial":
        states_ps = sum(machine.memory.latency_ps(MemoryShare(16 * 512, write=write)) for write in (False, True))
        assert by_name["scan"].parts_ps["memory"] == states_ps
        assert result.latency_ps == program_of(config, trace).serial_latency_ps()
    assert result.memory_traffic.read_bytes == result.memory_traffic.write_bytes == 2 * 16 * 512


def test_memory_holds_what_a_registered_op_needs() -> None:
    register()
    config, trace = load_config("tpu-llm"), mamba()
    (chip,) = memory_footprints(config, trace, plan_tiles(config, trace))
    assert (chip.kv_bytes, chip.weight_bytes) == (2 * 16 * 512, 2 * 512)


def test_a_trace_file_holds_registered_ops(tmp_path: Path) -> None:
    register()
    write_trace(mamba(), tmp_path / "mamba.json")
    assert read_trace(tmp_path / "mamba.json") == mamba()
    assert '"states": 16' in dumps(mamba())
    assert '"decay_bits"' not in dumps(mamba())  # optional, with its default
    wide = trace_of(Scan("scan", ("input",), vectors=1, elements=4, states=16, decay_bits=16))
    assert loads(dumps(wide)) == wide


def test_every_shipped_kind_is_in_the_table() -> None:
    assert set(OP_KINDS.names()) == set(KINDS)


# --- errors -----------------------------------------------------------------------------------------------------------


def test_an_unknown_kind_in_a_trace_names_the_registered_ones() -> None:
    register()
    text = dumps(mamba()).replace('"top_k"', '"topk"')
    with pytest.raises(
        TraceError, match=r"kind must be one of norm, .*, top_k, scan, not 'topk' \(did you mean top_k"
    ) as caught:
        loads(text)
    assert "--plugin FILE.py or entry points pimsim.ops" in str(caught.value)


def test_kinds_of_installed_packages_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    class EntryPoint:
        value, dist = "package:register", None

        def load(self) -> Callable[[], None]:
            loaded.append(self.value)
            return register

    def installed(group: str) -> list[EntryPoint]:
        return [EntryPoint()] if group == OP_GROUP else []

    with restored_kinds():
        register()
        text = dumps(mamba())
    monkeypatch.setattr("importlib.metadata.entry_points", installed)
    monkeypatch.setattr(registries, "_LOADED", set())  # another test may have looked for packages
    assert loads(text) == mamba()
    assert simulate(load_config("tpu-llm"), loads(text)).latency_ps > 0
    assert loaded == ["package:register"]


def test_an_op_without_a_mapping_is_refused_in_a_block_and_in_a_run() -> None:
    op = TopK("route", ("input",), 1, 4, 1)
    with pytest.raises(SpecError, match=r"ops must contain only ops, not .*unregistered kind"):
        trace_of(op)
    register_op(TopK, lambda layer, op: ())
    with pytest.raises(WorkloadInputError, match="op 'route': the mapping of its kind 'top_k' returns no assignments"):
        simulate(load_config("tpu-llm"), trace_of(op))


def test_a_mapping_that_fails_is_named() -> None:
    def failing(layer: object, op: TopK) -> Iterator[Assignment]:
        yield from ()
        raise KeyError(op.name)

    register_op(TopK, failing)
    with pytest.raises(
        PluginError, match=r"mapping of the kind of op 'top_k': raises KeyError: 'route' \(line \d+ of test_"
    ):
        simulate(load_config("tpu-llm"), trace_of(TopK("route", ("input",), 1, 4, 1)))


class NotFrozen(Norm):
    kind: ClassVar[str] = "loose"


class Shapeless(Op):
    kind: ClassVar[str] = "shapeless"


@pytest.mark.parametrize(
    ("kind", "mapping", "message"),
    [
        (NotFrozen, route, "must be a frozen dataclass that derives from workloads.Op"),
        (dict, route, "must be a frozen dataclass"),
        (Norm, route, "'norm' is a kind of op of pimsim itself"),
        (TopK, None, "the mapping of TopK must be a function"),
        (TopK, scan, "'top_k' is already registered, with another value"),
    ],
)
def test_an_invalid_kind_is_refused(kind: Any, mapping: Any, message: str) -> None:
    register()
    with pytest.raises(ValueError, match=message):
        register_op(kind, mapping)


def test_a_name_is_taken_once_and_an_output_has_a_size() -> None:
    register()
    register()  # the same again: a module that is imported twice
    other = dataclass(frozen=True)(type("Other", (TopK,), {"kind": "top_k", "__annotations__": {}}))
    with pytest.raises(ValueError, match="op kind Other: the op kind 'top_k' is already registered, by TopK"):
        register_op(other, route)
    with pytest.raises(ValueError, match="op kind Shapeless: its output has an unknown size"):
        register_op(dataclass(frozen=True)(Shapeless), route)


def test_sizes_of_shipped_ops_are_their_own() -> None:
    table = Embedding("e", ("input",), vectors=2, elements=8, bits=8, table_rows=100)
    assert (table.output_elements, table.longest_vector, table.parameter_bytes, table.cache_bytes) == (16, 8, 800, 0)
    assert replace(table, table_rows=None).parameter_bytes == 0
    assert Quantise("q", ("input",), vectors=3, elements=5).output_elements == 15


def test_a_refused_mapping_leaves_no_kind_without_one() -> None:
    OP_KINDS.register("top_k", scan)  # another mapping has the name
    with pytest.raises(ValueError, match="the kind of op 'top_k' is already registered, with another value"):
        register_op(TopK, route)
    assert "top_k" not in KINDS
