"""Hypothesis strategies: small random machines, models and traces, all of them valid."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import strategies as st

from crossbar.params import AdcParams, ArrayParams, CellParams, CrossbarParams, DacParams, EncodingParams
from pimsim.config.loading import load_config
from pimsim.config.schema import (
    PROJECTION_ROLES,
    Config,
    ControllerConfig,
    CrossbarConfig,
    HostConfig,
    MachineConfig,
    MappingConfig,
    MemoryConfig,
    MeshConfig,
    SramConfig,
    SystolicConfig,
    TileBufferConfig,
    TileDigitalConfig,
    VectorConfig,
)
from tests.oracles import naive_tiles
from workloads.decoder_ops import decode_step, prefill
from workloads.models import ModelSpec
from workloads.ops import (
    BLOCK_INPUT,
    Activation,
    AttentionScores,
    AttentionValues,
    Embedding,
    KVAppend,
    Multiply,
    Norm,
    Op,
    Projection,
    Residual,
    Rotary,
    Softmax,
)
from workloads.trace import Block, Trace

small = st.integers(1, 6)
clocks = st.sampled_from([1e6, 1e8, 3e8, 5e8, 7e11, 1e12]) | st.floats(1e6, 1e12)
seconds = st.sampled_from([0.0, 1e-9, 3.16e-9, 2e-8]) | st.floats(0, 1e-7)
positive_seconds = st.sampled_from([1e-9, 2e-8]) | st.floats(1e-12, 1e-7)
joules = st.sampled_from([0.0, 1e-12, 2.3e-13]) | st.floats(0, 1e-9)
watts = st.sampled_from([0.0, 1e-3]) | st.floats(0, 1)
areas = st.floats(0, 1e-6)
bandwidths = st.sampled_from([1e9, 2e10, 1.024e12]) | st.floats(1e7, 1e13)
dataflows = st.sampled_from(["os", "ws", "is"])


def systolic_configs(
    rows: st.SearchStrategy[int] = small, columns: st.SearchStrategy[int] = small
) -> st.SearchStrategy[SystolicConfig]:
    return st.builds(
        SystolicConfig,
        count=st.integers(1, 3),
        rows=rows,
        columns=columns,
        dataflow=dataflows,
        clock_hz=clocks,
        mac_energy_j=joules,
        cycle_energy_j=joules,
        leakage_w=watts,
        pe_area_m2=areas,
    )


@st.composite
def encodings(draw: st.DrawFn) -> EncodingParams:
    """Encodings of weights that take one cell, or pair of cells."""
    differential = draw(st.booleans())
    return EncodingParams(
        weights=draw(st.sampled_from(["binary", "unit", *(["ternary", "int2"] if differential else [])])),
        cells="differential" if differential else draw(st.sampled_from(["reference_column", "offset"])),
        readout=draw(st.sampled_from(["difference", "separate"])),
        polarity=draw(st.sampled_from(["one_is_lrs", "one_is_hrs"])),
        activations=draw(st.sampled_from(["unsigned", "twos_complement"])),
        activation_bits=draw(st.integers(2, 8)),
    )


@st.composite
def pairs(draw: st.DrawFn) -> CrossbarParams:
    """Pairs of arrays; what is no matter of time, energy or area is that of the defaults."""
    stock = load_config("defaults").machine.crossbar
    assert stock
    rows, columns = draw(small), draw(small)
    lrs_ohm = draw(st.floats(1e3, 1e5))
    return CrossbarParams(
        cell=CellParams(
            lrs_ohm=lrs_ohm,
            hrs_ohm=lrs_ohm * draw(st.floats(2, 1e3)),
            read_voltage_v=draw(st.floats(0.01, 1)),
            read_pulse_s=draw(positive_seconds),
            write_voltage_v=draw(st.floats(0.1, 5)),
            write_pulse_s=draw(positive_seconds),
            endurance_writes=draw(st.floats(1, 1e12)),
            area_m2=draw(areas),
        ),
        array=ArrayParams(
            rows=rows,
            columns=columns,
            # At most three groups of either, to keep the ungrouped runs short.
            rows_at_once=draw(st.integers(-(-rows // 3), rows)),
            adcs=draw(st.integers(-(-columns // 3), columns)),
            spare_columns=0,
            remapping="none",
        ),
        dac=DacParams(
            bits=draw(st.integers(1, 8)),
            sample_rate_hz=draw(clocks),
            power_w=draw(st.floats(0, 1e-3)),
            area_m2=draw(areas),
            level_error=0.0,
        ),
        adc=AdcParams(
            kind=draw(st.sampled_from(["sar", "flash", "ramp"])),
            bits=draw(st.integers(1, 16)),
            sample_rate_hz=draw(clocks),
            conversion_energy_j=draw(joules),
            energy_bits=draw(st.none() | st.integers(1, 16)),
            area_m2=draw(areas),
            range="full",
            range_coverage=1.0,
            offset_lsb=0.0,
            gain_error=0.0,
            inl_lsb=0.0,
            noise_lsb=0.0,
        ),
        encoding=draw(encodings()),
        noise=stock.pair.noise,
        wires=stock.pair.wires,
    )


tile_buffers = st.builds(
    TileBufferConfig,
    width_bits=st.integers(1, 80),
    cycle_s=positive_seconds,
    read_energy_j=joules,
    write_energy_j=joules,
    leakage_w=watts,
    area_m2=areas,
)


def crossbar_configs(banks: int = 1) -> st.SearchStrategy[CrossbarConfig]:
    return st.builds(
        CrossbarConfig,
        pair=pairs(),
        calibration_vectors=st.just(0),
        pes_per_tile=st.integers(1, 9),
        banks=st.just(banks),
        output_bits=st.integers(1, 32),
        intra_tile_bandwidth_bps=bandwidths,
        digital=st.builds(
            TileDigitalConfig,
            clock_hz=clocks,
            row_decoder_s=seconds,
            column_mux_s=seconds,
            add_energy_j=joules,
            register_energy_j=joules,
            pe_area_m2=areas,
        ),
        pe_buffer=tile_buffers,
        tile_buffer=tile_buffers,
    )


def mesh_configs(
    rows: st.SearchStrategy[int] = small, columns: st.SearchStrategy[int] = small
) -> st.SearchStrategy[MeshConfig]:
    return st.builds(
        MeshConfig,
        rows=rows,
        columns=columns,
        clock_hz=clocks,
        placement=st.sampled_from(["rows", "snake", "shells", "diagonals"]),
        last_output=st.sampled_from(["port", "stays"]),
        link_bandwidth_bps=bandwidths,
        topology=st.just("mesh"),
        multicast=st.just(False),
        packet_bits=st.none() | st.integers(1, 5000),
        switching=st.sampled_from(["store_and_forward", "cut_through"]),
        flit_bits=st.integers(1, 200),
        router_latency_s=st.just(0.0) | st.floats(0, 1e-8),
        links=st.sampled_from(["shared", "unlimited"]),
        input_buffer_packets=st.none() | st.integers(1, 4),
        arbitration=st.sampled_from(["round_robin", "age"]),
        local_bandwidth_bps=st.none() | bandwidths,
        hop_energy_j_per_bit=joules,
        router_area_m2=areas,
    )


controller_configs = st.builds(
    ControllerConfig,
    clock_hz=clocks,
    issue_cycles=st.integers(0, 5),
    command_energy_j=joules,
    leakage_w=watts,
    area_m2=areas,
)
vector_configs = st.builds(
    VectorConfig,
    count=st.integers(1, 3),
    lanes=st.integers(1, 9),
    clock_hz=clocks,
    softmax=st.sampled_from(["consmax", "exact"]),
    pipeline_cycles=st.integers(0, 5),
    operation_energy_j=joules,
    leakage_w=watts,
    lane_area_m2=areas,
)
host_configs = st.builds(
    HostConfig,
    request_interval_s=seconds,
    queue_depth=st.integers(1, 3),
    request_energy_j=joules,
)
sram_configs = st.builds(
    SramConfig,
    capacity_bytes=st.integers(1, 1 << 20),
    width_bits=st.integers(8, 700),
    clock_hz=clocks,
    read_energy_j=joules,
    write_energy_j=joules,
    leakage_w=watts,
    area_m2=areas,
)
memory_configs = st.builds(
    MemoryConfig,
    part=st.just("any"),
    channels=st.integers(1, 4),
    channel_bandwidth_bytes_per_s=bandwidths,
    access_latency_s=seconds,
    energy_j_per_bit=joules,
    background_w=watts,
    block_bytes=st.integers(64, 300),
    dram=st.none(),
)


# --- what is computed -----------------------------------------------------------------------------------------------


@st.composite
def models(draw: st.DrawFn) -> ModelSpec:
    """MHA, GQA and MQA; plain and gated; all kinds of norms, activations and positions."""
    kv_heads = draw(st.integers(1, 3))
    return ModelSpec(
        name="tiny",
        layers=draw(st.integers(1, 3)),
        heads=kv_heads * draw(st.integers(1, 3)),
        kv_heads=kv_heads,
        d_model=draw(st.integers(1, 14)),
        d_head=draw(st.integers(1, 5)),
        d_ff=draw(st.integers(1, 14)),
        vocab=draw(st.integers(1, 30)),
        gated=draw(st.booleans()),
        norm=draw(st.sampled_from(["layernorm", "rmsnorm"])),
        activation=draw(st.sampled_from(["gelu", "relu", "silu", "relu2"])),
        position=draw(st.sampled_from(["learned", "rotary"])),
        sub_norms=draw(st.booleans()),
        parallel=draw(st.booleans()),
    )


@st.composite
def decode_traces(draw: st.DrawFn) -> Trace:
    return decode_step(
        draw(models()),
        draw(st.integers(1, 30)),
        batch=draw(st.sampled_from([1, 1, 2, 3])),
        embedding=draw(st.booleans()),
        lm_head=draw(st.booleans()),
        kv_bits=draw(st.integers(1, 16)),
        activation_bits=draw(st.integers(1, 16)),
    )


@st.composite
def prefill_traces(draw: st.DrawFn) -> Trace:
    return prefill(
        draw(models()),
        draw(st.integers(1, 6)),
        batch=draw(st.sampled_from([1, 1, 2])),
        embedding=draw(st.booleans()),
        lm_head=draw(st.booleans()),
        kv_bits=draw(st.integers(1, 16)),
        activation_bits=draw(st.integers(1, 16)),
    )


def _ops(name: str, inputs: tuple[str, ...], context: int) -> st.SearchStrategy[Op]:
    """Any op, with several vectors too, as a prefill or a batch would have them."""
    base = {"name": st.just(name), "inputs": st.just(inputs)}
    vectors = {"vectors": st.integers(1, 3), "elements": st.integers(1, 20)}
    kv_heads = st.shared(st.integers(1, 2), key=name)
    attention = {
        "heads": kv_heads.flatmap(lambda kv_heads: st.sampled_from([kv_heads, 2 * kv_heads])),
        "kv_heads": kv_heads,
        "d_head": st.integers(1, 5),
        "queries": st.integers(1, 3),
        "context": st.integers(1, context),
        "bits": st.integers(1, 16),
    }
    return st.one_of(
        st.builds(
            Projection,
            **base,
            role=st.sampled_from([*PROJECTION_ROLES, "lm_head"]),
            in_features=st.integers(1, 14),
            out_features=st.integers(1, 14),
            vectors=st.integers(1, 3),
            weight_bits=st.sampled_from([1, 1, 1, 4, 8]),
            activation_bits=st.integers(1, 16),
        ),
        st.builds(AttentionScores, **base, **attention),
        st.builds(AttentionValues, **base, **attention),
        st.builds(
            KVAppend,
            **base,
            tokens=st.integers(1, 3),
            kv_heads=st.integers(1, 3),
            d_head=small,
            bits=st.integers(1, 16),
        ),
        st.builds(Softmax, **base, rows=st.integers(1, 3), row_length=st.integers(1, 20)),
        st.builds(Norm, **base, **vectors, norm=st.sampled_from(["layernorm", "rmsnorm"])),
        st.builds(Activation, **base, **vectors, function=st.sampled_from(["gelu", "relu", "silu", "relu2"])),
        st.builds(Embedding, **base, **vectors, bits=st.integers(1, 16)),
        *(st.builds(kind, **base, **vectors) for kind in (Rotary, Residual, Multiply)),
    )


@st.composite
def mixed_traces(draw: st.DrawFn) -> Trace:
    """Blocks of any ops in any order, as a trace file may hold."""
    context = draw(st.integers(1, 20))
    blocks = []
    for index in range(draw(st.integers(1, 2))):
        ops: list[Op] = []
        for number in range(draw(st.integers(1, 5))):
            known = [BLOCK_INPUT, *(op.name for op in ops)]
            ops.append(draw(_ops(f"op{number}", (draw(st.sampled_from(known)),), context)))
        blocks.append(Block(name=f"block{index}", repeat=draw(st.integers(1, 3)), ops=tuple(ops)))
    return Trace(model="any", phase="decode", context_length=context, tokens=draw(small), blocks=tuple(blocks))


model_traces = st.one_of(decode_traces(), prefill_traces())
traces = st.one_of(decode_traces(), mixed_traces(), prefill_traces())


# --- whole configs --------------------------------------------------------------------------------------------------


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


@st.composite
def configs_for(draw: st.DrawFn, trace: Trace, *, crossbars: bool | None = None, schedule: str = "serial") -> Config:
    """A config whose machine can run `trace`."""
    base = load_config({})
    with_tiles = draw(st.booleans()) if crossbars is None else crossbars
    crossbar = mesh = None
    if with_tiles:
        crossbar = draw(crossbar_configs(banks=1 << 10))
        largest = max(_tiles_by_block(trace, crossbar), default=1)
        columns = draw(st.integers(1 + largest // 256, 12 + largest // 256))
        rows = draw(st.integers(0, 3)) + max(1, -(-largest // columns))
        mesh = draw(mesh_configs(st.just(rows), st.just(columns)))
    # What is not drawn here, a key of another feature, is as shipped.
    machine = dict(base.machine) | {
        "systolic": draw(systolic_configs()),
        "crossbar": crossbar,
        "mesh": mesh,
        "host": draw(st.none() | host_configs),
        "controller": draw(controller_configs),
        "vector": draw(vector_configs),
        "sram": draw(sram_configs),
        "memory": draw(memory_configs),
    }
    mapping = dict(base.mapping) | {
        "projections": "crossbar" if with_tiles else "systolic",
        "provisioning": draw(st.sampled_from(["whole_model", "per_layer"])),
        "placement_groups": draw(placement_groups()),
        "attention_slices": draw(st.integers(1, 4)),
        "vector_chunks": draw(st.integers(1, 4)),
        "stream_buffers": draw(st.integers(1, 3)),
        "input_buffer_vectors": draw(st.none() | st.integers(1, 4)),
        "output_buffer_vectors": draw(st.none() | st.integers(1, 4)),
        "kv_write_entries": draw(st.none() | st.integers(1, 2)),
        "weight_storage_bits": draw(st.integers(1, 16)),
    }
    config = dict(base) | {
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
