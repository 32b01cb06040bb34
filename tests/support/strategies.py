"""Hypothesis strategies: whole configs of small random machines, each with a trace that it can run."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import strategies as st

from pimsim.config.loading import load_config
from pimsim.config.schema import (
    PROJECTION_ROLES,
    Config,
    CrossbarConfig,
    MachineConfig,
    MappingConfig,
    TileBufferConfig,
)
from tests.oracles import naive_tiles
from tests.support.component_strategies import (
    controller_configs,
    crossbar_configs,
    host_configs,
    memory_configs,
    mesh_configs,
    nodes,
    sram_configs,
    systolic_configs,
    vector_configs,
)
from tests.support.trace_strategies import traces
from workloads.ops import (
    Projection,
)
from workloads.trace import Trace

SHIPPED = load_config({})
"""Values of the keys that are not drawn, those of other features."""


@st.composite
def placement_groups(draw: st.DrawFn) -> tuple[tuple[str, ...], ...]:
    """The roles shuffled and cut into groups."""
    roles = draw(st.permutations(PROJECTION_ROLES))
    cuts = [0, *sorted(draw(st.sets(st.integers(1, len(roles) - 1), max_size=3))), len(roles)]
    return tuple(tuple(roles[low:high]) for low, high in itertools.pairwise(cuts))


def projections_on_tiles(trace: Trace) -> list[Projection]:
    return [op for _, op in trace.ops() if isinstance(op, Projection) and op.weight_bits == 1]


def tiles_of(op: Projection, crossbar: CrossbarConfig) -> int:
    array = crossbar.pair.array
    return len(
        naive_tiles.grid_tiles(op.in_features, op.out_features, array.rows, array.columns, crossbar.pes_per_tile)
    )


def vectors_held(buffer: TileBufferConfig | None) -> st.SearchStrategy[int]:
    """Numbers of vectors that a buffer of small arrays holds: two without a stated capacity."""
    return st.integers(1, 2 if buffer is not None and buffer.capacity_bytes is None else 4)


@st.composite
def configs_for(draw: st.DrawFn, trace: Trace, *, crossbars: bool | None = None, schedule: str = "serial") -> Config:
    """A config whose machine can run `trace`."""
    with_tiles = draw(st.booleans()) if crossbars is None else crossbars
    crossbar = mesh = None
    if with_tiles:
        crossbar = draw(crossbar_configs(banks=1 << 10))
        largest = max(_tiles_by_block(trace, crossbar), default=1)
        least = 1 + largest // 253  # then 253 rows hold the tiles: with three more, 256, the most of a mesh
        columns = draw(st.integers(least, least + 11))
        rows = draw(st.integers(0, 3)) + max(1, -(-largest // columns))
        mesh = draw(mesh_configs(st.just(rows), st.just(columns)))
    machine = dict(SHIPPED.machine) | {
        "systolic": draw(systolic_configs()),
        "crossbar": crossbar,
        "mesh": mesh,
        "host": draw(st.none() | host_configs),
        "controller": draw(controller_configs),
        "vector": draw(vector_configs),
        "sram": draw(sram_configs),
        "memory": draw(memory_configs),
        "technology_nm": draw(st.none() | nodes),
        "temperature_k": draw(st.none() | st.floats(300, 400)),
    }
    mapping = dict(SHIPPED.mapping) | {
        "projections": "crossbar" if with_tiles else "systolic",
        "provisioning": draw(st.sampled_from(["whole_model", "per_layer"])),
        "placement_groups": draw(placement_groups()),
        "attention_slices": draw(st.integers(1, 4)),
        "masked_folds": draw(st.sampled_from(["computed", "skipped"])),
        "vector_chunks": draw(st.integers(1, 4)),
        "stream_buffers": draw(st.integers(1, 3)),
        "input_buffer_vectors": draw(st.none() | vectors_held(crossbar and crossbar.pe_buffer)),
        "output_buffer_vectors": draw(st.none() | vectors_held(crossbar and crossbar.tile_buffer)),
        "kv_write_entries": draw(st.none() | st.integers(1, 2)),
        "projection_activations": draw(st.sampled_from(["global_buffer", "memory", "memory_each_fold"])),
        "weight_storage_bits": draw(st.integers(1, 16)),
        "ternary_storage_bits": draw(st.sampled_from([1.0, 1.6, 2.0])),
    }
    config = dict(SHIPPED) | {
        "name": "random",
        "description": "",
        "mapping": MappingConfig(**mapping),
        "machine": MachineConfig(**machine),
        "schedule": schedule,
        "leakage_gating": draw(st.sampled_from(["ungated", "idle_gated", "not_charged"])),
        "operations_per_mac": draw(st.sampled_from([1, 2])),
    }
    return Config(**config)


def _tiles_by_block(trace: Trace, crossbar: CrossbarConfig) -> Sequence[int]:
    return [
        sum(tiles_of(op, crossbar) for op in block.ops if isinstance(op, Projection) and op.weight_bits == 1)
        for block in trace.blocks
    ]


@st.composite
def runs(draw: st.DrawFn, *, crossbars: bool | None = None, schedule: str = "serial") -> tuple[Config, Trace]:
    """A trace and a config that can run it."""
    trace = draw(traces)
    return draw(configs_for(trace, crossbars=crossbars, schedule=schedule)), trace
