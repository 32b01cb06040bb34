"""Machines at a technology node: which constants scale, which stay, and what results say of it."""

from __future__ import annotations

import pytest

from pimsim import load_config, serve, simulate
from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_config_text
from pimsim.config.schema import Config
from pimsim.hardware.machine import build_machine
from pimsim.hardware.node_scaling import area_factor, delay_factor, energy_factor, wire_energy_factor
from pimsim.hardware.sram_model import sram_figures
from pimsim.hardware.technology import at_technology, technology_notes
from tests.support.closeness import near
from workloads.requests import Request

STATED = ("pim-llm-published", ["machine.systolic.node_nm=45", "machine.mesh.wire_node_nm=40"])
"""A machine whose SRAM has stated figures, with nodes of its fitted energies; by default SRAM figures are null."""
BYTES = "machine.crossbar.output_bits=8"
"""Output buffers of bytes, as CACTI's table has: 2 x 4 PEs x 256 columns are 2 KiB."""
SMALL = ["workload.model=gpt2-small"]


def stated(*overrides: str) -> Config:
    name, nodes = STATED
    return load_config(name, [*nodes, *overrides])


def test_without_a_technology_the_machine_is_the_same_object() -> None:
    machine = load_config("pim-llm-published").machine
    assert at_technology(machine) is machine
    assert technology_notes(machine) == ()


def test_logic_scales_from_its_own_node() -> None:
    own, scaled = (load_config("defaults", [f"machine.technology_nm={node}"]).machine for node in ("null", 28))
    scaled = at_technology(scaled)
    energy, area = energy_factor(45, 28), area_factor(45, 28)
    assert scaled.systolic.mac_energy_j == near(own.systolic.mac_energy_j * energy)
    assert scaled.systolic.unit_cycle_energy_j == near(own.systolic.unit_cycle_energy_j * energy)
    assert own.systolic.unit_cycle_energy_j > 0
    assert scaled.systolic.pe_area_m2 == near(own.systolic.pe_area_m2 * area)
    assert scaled.vector.operation_energy_j == near(own.vector.operation_energy_j * energy)
    assert scaled.vector.lane_area_m2 == near(own.vector.lane_area_m2 * area)
    assert scaled.crossbar
    assert own.crossbar
    assert scaled.mesh
    assert own.mesh
    assert scaled.crossbar.digital.add_energy_j == near(own.crossbar.digital.add_energy_j * energy)
    assert scaled.crossbar.digital.register_energy_j == near(own.crossbar.digital.register_energy_j * energy)
    assert scaled.crossbar.digital.row_decoder_s == near(own.crossbar.digital.row_decoder_s * delay_factor(45, 28))
    assert scaled.crossbar.digital.pe_area_m2 == near(own.crossbar.digital.pe_area_m2 * area)
    assert scaled.mesh.hop_energy_j_per_bit == near(own.mesh.hop_energy_j_per_bit * wire_energy_factor(40, 28))
    assert scaled.mesh.router_area_m2 == near(own.mesh.router_area_m2 * area_factor(32, 28))


def test_clocks_cells_converters_and_memory_keep_their_values() -> None:
    own, scaled = (load_config("defaults", [f"machine.technology_nm={node}"]).machine for node in ("null", 28))
    scaled = at_technology(scaled)
    assert scaled.crossbar
    assert own.crossbar
    assert scaled.crossbar.pair == own.crossbar.pair, "cells, wires of the array, DACs and ADCs"
    assert scaled.memory == own.memory
    assert scaled.chips == own.chips
    for section in ("systolic", "vector", "sram", "controller", "mesh"):
        assert getattr(scaled, section).clock_hz == getattr(own, section).clock_hz
    assert scaled.crossbar.digital.clock_hz == own.crossbar.digital.clock_hz


def test_stated_sram_scales_by_the_ratio_of_cacti() -> None:
    """8 MiB x 512 bits from 45 to 22 nm hp: two banks of 4 MiB, leakage 1880 to 315 mW each, area 12.4 to 2.95 mm2."""
    scaled = at_technology(stated("machine.technology_nm=22").machine)
    assert scaled.sram.leakage_w == near(8.83 * 315 / 1880)
    assert scaled.sram.area_m2 == near(47.55e-6 * 2.95 / 12.4)


def test_the_controller_scales_as_its_command_store() -> None:
    """8 KiB hp, 64 bits, 45 to 22 nm: a read from 5.29 to 1.5 pJ, leakage from 4.31 to 0.751 mW."""
    scaled = at_technology(stated("machine.technology_nm=22").machine)
    assert scaled.controller.command_energy_j == near(10e-12 * 1.5 / 5.29)
    assert scaled.controller.leakage_w == near(10.65e-3 * 0.751 / 4.31)


def test_scaling_to_the_own_node_changes_nothing() -> None:
    nodes = ["machine.crossbar.pe_buffer.node_nm=45", "machine.crossbar.tile_buffer.node_nm=45"]
    nodes += ["machine.mesh.wire_node_nm=45", "machine.mesh.router_node_nm=45"]
    own, same = stated(*nodes, *SMALL), stated(*nodes, *SMALL, "machine.technology_nm=45")
    assert build_machine(same.machine) == build_machine(own.machine)
    assert simulate(same).energy_j == simulate(own).energy_j
    # Figures that follow from the size: the machine at 45 nm states them, and they are the same.
    own, same = (load_config("defaults", [*nodes, *SMALL, f"machine.technology_nm={each}"]) for each in ("null", 45))
    assert simulate(same).energy_j == simulate(own).energy_j


def test_figures_that_are_null_are_those_of_the_size_at_the_technology() -> None:
    config = load_config("defaults", [BYTES, "machine.technology_nm=22", *SMALL])
    machine = build_machine(config.machine)
    energies = machine.action_energies_j()
    # Input buffer: 2 x 256 rows x 8 bits = 512 B; output buffer: 2 x 4 PEs x 256 columns x 8 bits = 2 KiB. 22 nm hp.
    assert energies["tile.pe_buffer_read"] == near(0.282e-12)
    assert energies["tile.tile_buffer_write"] == near(0.897e-12)
    assert energies["controller.command"] == near(1.5e-12)
    assert machine.tile is not None
    assert machine.tile.leakage_w() == near(4 * 0.048e-3 + 0.207e-3)
    assert machine.sram.areas()[0].total_m2 == near(sram_figures(8 << 20, 512, 22, "lstp").area_m2)


def test_null_figures_without_a_technology_are_those_of_the_own_node() -> None:
    """45 nm hp: 512 B reads 1.2 pJ and leaks 0.28 mW on 0.00215 mm2; 2 KiB 2.35 pJ, 1.18 mW, 0.00755 mm2."""
    machine = build_machine(load_config("defaults", [BYTES]).machine)
    energies = machine.action_energies_j()
    assert (energies["tile.pe_buffer_read"], energies["tile.tile_buffer_read"]) == near((1.2e-12, 2.35e-12))
    assert energies["controller.command"] == near(5.29e-12)
    assert machine.tile is not None
    assert machine.tile.leakage_w() == near(4 * 0.28e-3 + 1.18e-3)
    areas = {area.item: area.total_m2 for area in machine.tile.areas()}
    assert areas["input buffers of PEs"] == near(4 * 0.00215e-6)
    assert areas["output buffers of tiles"] == near(0.00755e-6)
    assert machine.controller.areas()[0].total_m2 == near(0.0263e-6)


@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
def test_energy_changes_by_the_energies_of_actions_alone(schedule: str) -> None:
    """Delays of decoders, multiplexers and routers aside, a node moves no time; the energy is counts times energies per
    action.
    """
    delays = ("crossbar.digital.row_decoder_s", "crossbar.digital.column_mux_s", "mesh.router_latency_s")
    still = [*SMALL, *(f"machine.{each}=0 s" for each in delays)]
    run = [*still, f"schedule={schedule}", "mapping.provisioning=per_layer", "leakage_gating=not_charged"]
    own, scaled = (simulate(load_config("defaults", [*run, *more])) for more in ([], ["machine.technology_nm=16"]))
    assert scaled.latency_ps == own.latency_ps
    assert scaled.counts == own.counts
    assert scaled.energy_j == near(sum(n * scaled.action_energies_j[action] for action, n in own.counts.items()))
    assert scaled.energy_j < own.energy_j


def test_one_line_makes_a_chip_of_28_nm_and_the_result_says_so() -> None:
    preset = load_config({"extends": ["defaults", "technology-28nm"], "workload": {"model": "gpt2-small"}})
    line = load_config("defaults", ["machine.technology_nm=28", *SMALL])
    assert preset.machine == line.machine
    notes = " | ".join(simulate(line).notes)
    assert "scaled to 28 nm from their own nodes (nm): systolic 45, vector 45" in notes
    assert "interpolated between 32 and 20 nm" in notes
    assert "wires between tiles 40" in notes
    assert "null figures of SRAM computed at 28 nm: sram, controller, pe_buffer, tile_buffer; CACTI 7" in notes
    assert "stated figures" not in notes
    assert "the chip mixes nodes" in notes
    scaled = "stated figures of SRAM scaled to 28 nm from their own nodes (nm): sram 45, controller 45, pe_buffer 90"
    of_stated = " | ".join(simulate(stated("machine.technology_nm=28", *SMALL)).notes)
    assert f"{scaled}, tile_buffer 90; CACTI 7" in of_stated
    assert "null figures" not in of_stated
    # A buffer with figures of both kinds is named twice.
    both = technology_notes(stated("machine.technology_nm=28", "machine.sram.leakage_w=null").machine)
    assert any(note.startswith(scaled) for note in both)
    assert "null figures of SRAM computed at 28 nm: sram; CACTI 7" in both
    assert not any("28 nm" in note for note in simulate(load_config("defaults", SMALL)).notes)


def test_the_global_buffer_of_the_defaults_is_as_fast_as_its_port() -> None:
    """CACTI 7, 45 nm lstp: a bank of 4 MiB has an access time of 6.56 ns, and hp of 3.21 ns; a cycle takes 10 ns."""
    late = "sram: an access of its SRAM takes 6.56 ns, longer than a cycle"
    assert late not in technology_notes(load_config("defaults").machine)
    faster = ["machine.sram.clock_hz=200 MHz"]
    assert late in technology_notes(load_config("defaults", faster).machine)
    hp = technology_notes(load_config("defaults", [*faster, "machine.sram.cell_class=hp"]).machine)
    assert not any("longer than a cycle" in note for note in hp)
    unknown = technology_notes(load_config("defaults", [*faster, "machine.sram.cell_class=lop"]).machine)
    assert "sram: CACTI has no access time for lop, so it is not checked against the cycle" in unknown


def test_notes_name_the_sizes_and_what_is_extrapolated() -> None:
    tall = [
        "machine.sram.cell_class=lstp",
        "machine.sram.capacity_bytes=32 MiB",
        "machine.sram.width_bits=64",
        "machine.crossbar.pe_buffer.node_nm=90",
        BYTES,
    ]
    sizes, *limits = technology_notes(load_config("defaults", tall).machine)
    assert sizes == (
        "SRAM figures follow from size, by CACTI 7 at 300 K: sram 33,554,432 bytes x 64 bits, lstp, 45 nm; controller "
        "8,192 bytes x 64 bits, hp, 45 nm; pe_buffer 512 bytes x 64 bits, hp, 90 nm; tile_buffer 2,048 bytes x 64 "
        "bits, hp, 45 nm"
    )
    assert limits == [
        "sram: its SRAM figures are extrapolated (capacity above 8 MiB)",
        "sram: an access of its SRAM takes 14.7 ns, longer than a cycle",
        "pe_buffer: its SRAM figures are extrapolated (node above 45 nm)",
    ]
    # A stated figure does not follow from the size; one that is null is enough for the buffer to be named.
    one = technology_notes(load_config("pim-llm-published", ["machine.sram.leakage_w=null"]).machine)
    assert one == ("SRAM figures follow from size, by CACTI 7 at 300 K: sram 8,388,608 bytes x 512 bits, hp, 45 nm",)


@pytest.mark.parametrize("name", ["pim-llm-published", "tpu-llm-published"])
def test_fitted_energies_cannot_be_scaled(name: str) -> None:
    with pytest.raises(ConfigError, match=r"technology_nm=28 cannot scale.*machine\.systolic\.node_nm") as caught:
        load_config(name, ["machine.technology_nm=28"])
    assert len(caught.value.problems) == 1
    nodes = ["machine.systolic.node_nm=45", *(["machine.mesh.wire_node_nm=45"] if name.startswith("pim") else [])]
    assert load_config(name, ["machine.technology_nm=28", *nodes]).machine.technology_nm == 28


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "machine.crossbar.pe_buffer.capacity_bytes=511",
            "pe_buffer holds 511 bytes, but it must hold 2 input vectors of 256 rows x 8 bits: 512 bytes",
        ),
        (
            "machine.crossbar.tile_buffer.capacity_bytes=1000",
            # Sums of 8-bit inputs over 4 x 256 rows have 18 bits.
            "tile_buffer holds 1000 bytes, but it must hold 2 output vectors of 4 PEs x 256 columns: 4608 bytes",
        ),
        ("machine.technology_nm=5", "must be >= 7 and <= 180"),
    ],
)
def test_what_cannot_be_built_is_refused_with_what_it_needs(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("defaults", [override])
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1


def test_buffers_of_the_needed_size_hold_only_two_vectors() -> None:
    """A buffer whose figures follow from its size is not larger than that size under the contended schedule."""
    wanted = "mapping.input_buffer_vectors=8"
    assert load_config("pim-llm-published", [wanted]).mapping.input_buffer_vectors == 8, "it has 16 KiB"
    with pytest.raises(ConfigError, match=r"must hold 8 input vectors of 256 rows x 8 bits: 2048 bytes"):
        load_config("defaults", [wanted])
    load_config("defaults", [wanted, "machine.crossbar.pe_buffer.capacity_bytes=2 KiB"])


def test_the_capacity_follows_the_array() -> None:
    """By hand, 128 rows x 4 bits x 2 vectors = 128 B; 2 PEs x 64 columns x 12 bits (11 and a level) x 2 = 384 B."""
    config = load_config_text(
        "schema_version: 2\nmachine: {crossbar: {pes_per_tile: 2, pair: {array: {rows: 128, columns: 64, adcs: 64}, "
        "adc: {bits: 11, energy_bits: 11}, encoding: {activation_bits: 4}}}}\n"
    )
    assert config.machine.crossbar is not None
    assert (config.machine.crossbar.pe_buffer_bytes, config.machine.crossbar.tile_buffer_bytes) == (128, 384)
    larger = load_config("defaults", ["machine.crossbar.pe_buffer.capacity_bytes=4 KiB"]).machine.crossbar
    assert larger is not None
    assert larger.pe_buffer_bytes == 4096


def test_a_served_request_has_the_notes() -> None:
    config = load_config("defaults", ["machine.technology_nm=28", *SMALL])
    result = serve(config, [Request(id="a", arrival_s=0.0, prompt_tokens=4, output_tokens=2)])
    assert result.notes == technology_notes(config.machine)
    assert len(result.notes) == 4, "three on nodes, one on sizes"
