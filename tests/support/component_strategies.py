"""Hypothesis strategies: the configs of the components of small random machines, all of them valid."""

from __future__ import annotations

from typing import get_args

from hypothesis import strategies as st

from crossbar.adc_series import SERIES
from crossbar.circuit_params import DriverParams, IntegrationParams, LineParams, SensingParams
from crossbar.params import (
    AdcParams,
    ArrayParams,
    CellParams,
    CorrectionParams,
    CrossbarParams,
    DacParams,
    EncodingParams,
    WeightAlphabet,
)
from pimsim.config.loading import load_config
from pimsim.config.schema import (
    BusConfig,
    ControllerConfig,
    CrossbarConfig,
    HostConfig,
    InterfacesConfig,
    MemoryConfig,
    MeshConfig,
    OperandBuffersConfig,
    SramConfig,
    StagingBufferConfig,
    StagingConfig,
    SystolicConfig,
    TileBufferConfig,
    TileDigitalConfig,
    VectorConfig,
)

small = st.integers(1, 6)

_SHIPPED = load_config("defaults").machine.crossbar
assert _SHIPPED
NOISE, WIRES = _SHIPPED.pair.noise, _SHIPPED.pair.wires  # without effect on time, energy and area

clocks = st.sampled_from([1e6, 1e8, 3e8, 5e8, 7e11, 1e12]) | st.floats(1e6, 1e12)

seconds = st.sampled_from([0.0, 1e-9, 3.16e-9, 2e-8]) | st.floats(0, 1e-7)

positive_seconds = st.sampled_from([1e-9, 2e-8]) | st.floats(1e-12, 1e-7)

joules = st.sampled_from([0.0, 1e-12, 2.3e-13]) | st.floats(0, 1e-9)

watts = st.sampled_from([0.0, 1e-3]) | st.floats(0, 1)

areas = st.floats(0, 1e-6)

bandwidths = st.sampled_from([1e9, 2e10, 1.024e12]) | st.floats(1e7, 1e13)

dataflows = st.sampled_from(["os", "ws", "is"])

nodes = st.sampled_from([45.0, 28.0]) | st.floats(7, 180)

cell_classes = st.sampled_from(["hp", "lop", "lstp"])


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
        unit_cycle_energy_j=joules,
        cycle_energy_j=joules,
        cycle_energy_array=st.none(),
        leakage_w=watts,
        pe_area_m2=areas,
        node_nm=nodes,
    )


@st.composite
def encodings(draw: st.DrawFn, *, sliced: bool = False) -> EncodingParams:
    """Encodings of weights that take one cell, or pair of cells; or any number of them."""
    differential = draw(st.booleans())
    one_cell = ["binary", "unit", *(["ternary", "int2"] if differential else [])]
    return EncodingParams(
        weights=draw(st.sampled_from(get_args(WeightAlphabet) if sliced else one_cell)),
        cell_bits=draw(st.integers(1, 4)) if sliced else 1,
        cells="differential" if differential else draw(st.sampled_from(["reference_column", "offset"])),
        readout=draw(st.sampled_from(["difference", "separate"])),
        polarity=draw(st.sampled_from(["one_is_lrs", "one_is_hrs"])),
        activations=draw(st.sampled_from(["unsigned", "twos_complement"])),
        activation_bits=draw(st.integers(2, 8)),
    )


farads = st.sampled_from([0.0, 1e-15, 4.8e-14]) | st.floats(0, 1e-12)

lines = st.builds(
    LineParams,
    input_line=st.sampled_from(["word", "select"]),
    word_line_f=farads,
    word_end_f=farads,
    bit_line_f=farads,
    bit_end_f=st.floats(1e-16, 1e-12),
    bit_swing_v=st.floats(0, 1),
    select_line_f=farads,
    select_end_f=farads,
    select_low_v=st.floats(0, 1),
    select_high_v=st.floats(1, 3),
)

drivers = st.builds(DriverParams, energy_j=joules, area_m2=areas, resistance_ohm=st.floats(0, 1e5))


def integrations(bit_serial: bool) -> st.SearchStrategy[IntegrationParams]:
    return st.builds(
        IntegrationParams,
        weighting=st.sampled_from(["charge_sharing", *(["pulse_count"] if bit_serial else [])]),
        signed_inputs=st.booleans(),
        one_phase_planes=st.integers(1, 4),
        phases=st.integers(1, 3),
        narrow_later_phases=st.booleans(),
        step_s=seconds,
        phase_s=seconds,
        step_energy_j=joules,
    )


@st.composite
def sensings(draw: st.DrawFn, bit_serial: bool) -> SensingParams:
    """Column circuits; integration in about half of them."""
    integration = draw(st.none() | integrations(bit_serial))
    held = True if integration else draw(st.booleans())
    return SensingParams(
        mode=draw(st.sampled_from(["current", "voltage"])),
        held=held,
        sampled=draw(st.sampled_from(["column_group", *(["array"] if held else [])])),
        input_ohm=draw(st.floats(1, 1e5)),
        clamp_energy_j=draw(joules),
        sample_energy_j=draw(joules),
        column_area_m2=draw(areas),
        integration=integration,
    )


@st.composite
def pairs(draw: st.DrawFn, *, sliced: bool = False) -> CrossbarParams:
    """Pairs of arrays; parameters without effect on time, energy and area are those of the defaults."""
    encoding = draw(encodings(sliced=sliced))
    rows, columns = draw(small), draw(small) + (encoding.slices - 1 if sliced else 0)
    lrs_ohm = draw(st.floats(1e3, 1e5))
    kind = draw(st.sampled_from(["sar", "flash", "ramp", "serial"]))
    dac_bits, has_lines = draw(st.integers(1, 8) | st.just(1)), draw(st.booleans())
    return CrossbarParams(
        cell=CellParams(
            lrs_ohm=lrs_ohm,
            hrs_ohm=lrs_ohm * draw(st.floats(2, 1e3)),
            read_voltage_v=draw(st.floats(0.01, 1)),
            read_pulse_s=draw(st.none() | positive_seconds) if has_lines else draw(positive_seconds),
            read_activity=draw(st.floats(0.01, 1)),
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
            columns_per_adc=None,
            spare_columns=0,
            remapping="none",
            reference_columns=draw(st.integers(1, columns)),
        ),
        dac=DacParams(
            bits=dac_bits,
            sample_rate_hz=draw(clocks),
            power_w=draw(st.floats(0, 1e-3)),
            area_m2=draw(areas),
            level_error=0.0,
        ),
        adc=AdcParams(
            kind=kind,
            bits=draw(st.integers(1, 16)),
            sample_rate_hz=draw(clocks),
            conversion_energy_j=draw(joules),
            energy_bits=draw(st.none() | st.integers(1, 16)),
            series=draw(st.sampled_from({"sar": SERIES, "serial": ("walden", "linear")}.get(kind, ("walden",)))),
            code_energy="none",
            code_energy_fraction=0.5,
            area_m2=draw(areas),
            range="full",
            range_coverage=1.0,
            offset_lsb=0.0,
            gain_error=0.0,
            inl_lsb=0.0,
            noise_lsb=0.0,
        ),
        encoding=encoding,
        noise=NOISE,
        wires=WIRES,
        lines=draw(lines) if has_lines else None,
        drivers=draw(st.none() | drivers),
        sensing=draw(sensings(dac_bits == 1)),
        upkeep=_SHIPPED.pair.upkeep,
        thermal=_SHIPPED.pair.thermal,
        correction=CorrectionParams(
            gains=draw(st.sampled_from(["none", "column", "row_group"])),
            gain_bits=draw(st.integers(2, 24)),
            input_sums=draw(st.booleans()),
        ),
    )


tile_buffers = st.builds(
    TileBufferConfig,
    capacity_bytes=st.none() | st.integers(1 << 10, 1 << 20),
    width_bits=st.integers(1, 80),
    cycle_s=positive_seconds,
    read_energy_j=joules | st.none(),
    write_energy_j=joules | st.none(),
    leakage_w=watts | st.none(),
    area_m2=areas | st.none(),
    cell_class=cell_classes,
    node_nm=nodes,
)

staging_buffers = st.builds(
    StagingBufferConfig,
    capacity_bytes=st.integers(1, 1 << 20),
    width_bits=st.integers(1, 80),
    cycle_s=positive_seconds,
    read_energy_j=joules | st.none(),
    write_energy_j=joules | st.none(),
    leakage_w=watts | st.none(),
    area_m2=areas | st.none(),
    cell_class=cell_classes,
    node_nm=nodes,
)

stagings = st.builds(
    StagingConfig,
    memory=staging_buffers,
    bus=st.builds(
        BusConfig,
        wires=st.integers(1, 99),
        clock_hz=clocks,
        energy_j_per_bit=joules,
        area_m2=areas,
        node_nm=nodes,
    ),
    accumulator=staging_buffers,
    group_pes=st.integers(1, 9),
    sum_bits=st.integers(1, 64),
)


def crossbar_configs(
    banks: int = 1, *, sliced: bool = False, staging: st.SearchStrategy[StagingConfig | None] | None = None
) -> st.SearchStrategy[CrossbarConfig]:
    return st.builds(
        CrossbarConfig,
        pair=pairs(sliced=sliced),
        calibration_vectors=st.just(0),
        rewrite_interval_s=st.none(),
        activity=st.none(),  # needs a file
        pes_per_tile=st.integers(1, 9),
        banks=st.just(banks),
        output_bits=st.none() | st.integers(1, 32),
        tile_outputs=st.sampled_from(["concatenated", "merged"]),
        intra_tile_bandwidth_bps=bandwidths,
        digital=st.builds(
            TileDigitalConfig,
            clock_hz=clocks,
            row_decoder_s=seconds,
            column_mux_s=seconds,
            add_energy_j=joules,
            register_energy_j=joules,
            multiply_energy_j=joules,
            pe_area_m2=areas,
            multiplier_area_m2=areas,
            node_nm=nodes,
        ),
        pe_buffer=tile_buffers,
        tile_buffer=tile_buffers,
        staging=st.none() if staging is None else staging,
    )


def mesh_configs(
    rows: st.SearchStrategy[int] = small, columns: st.SearchStrategy[int] = small
) -> st.SearchStrategy[MeshConfig]:
    routes = st.shared(st.sampled_from(["chain", "trace"]), key="routes")
    return st.builds(
        MeshConfig,
        rows=rows,
        columns=columns,
        clock_hz=clocks,
        placement=st.sampled_from(["rows", "snake", "shells", "diagonals"]),
        last_output=routes.flatmap(lambda route: st.sampled_from(["port", "stays"] if route == "chain" else ["port"])),
        routes=routes,
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
        wire_node_nm=nodes,
        router_node_nm=nodes,
    )


controller_configs = st.builds(
    ControllerConfig,
    clock_hz=clocks,
    issue_cycles=st.integers(0, 5),
    command_energy_j=joules | st.none(),
    leakage_w=watts | st.none(),
    area_m2=areas | st.none(),
    store_bytes=st.integers(8, 1 << 20),  # at least one command of 64 bits
    cell_class=cell_classes,
    node_nm=nodes,
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
    node_nm=nodes,
)

host_configs = st.builds(
    HostConfig,
    request_interval_s=seconds,
    queue_depth=st.integers(1, 3),
    request_energy_j=joules,
)

sram_configs = st.builds(
    SramConfig,
    # At least one access of 700 bits, and any vector of the small random traces: 60 elements of 64 bits.
    capacity_bytes=st.integers(480, 1 << 20),
    width_bits=st.integers(8, 700),
    clock_hz=clocks,
    ports=st.none() | st.integers(1, 4),
    banks=st.none() | st.integers(1, 9),
    operand_buffers=st.none()
    | st.builds(OperandBuffersConfig, activations_bytes=st.integers(1, 99), weights_bytes=st.integers(1, 99)),
    read_energy_j=joules | st.none(),
    write_energy_j=joules | st.none(),
    leakage_w=watts | st.none(),
    area_m2=areas | st.none(),
    cell_class=cell_classes,
    node_nm=nodes,
)

memory_configs = st.builds(
    MemoryConfig,
    part=st.just("any"),
    channels=st.integers(1, 4),
    channel_bandwidth_bytes_per_s=bandwidths,
    access_latency_s=seconds,
    read_energy_j_per_bit=joules,
    write_energy_j_per_bit=joules,
    background_w=watts,
    capacity_bytes=st.none(),
    block_bytes=st.integers(64, 300),
    interfaces=st.none()
    | st.builds(
        InterfacesConfig,
        activations_bytes_per_s=bandwidths,
        weights_bytes_per_s=bandwidths,
        results_bytes_per_s=bandwidths,
    ),
    dram=st.none(),
)
