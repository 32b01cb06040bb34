"""Shipped presets hold the values that their sources publish, written here a second time and not read from the files.

Sources: MNSIM 2.0 (thu-nics/MNSIM-2.0: SimConfig.ini, Hardware_Model/ADC.py, DAC.py, Crossbar.py); NeuroSim V1.4 and
V1.5; NVSim's sample cell; CiMLoop's ISAAC; O'Connor et al., MICRO 2017 (HBM2); JEDEC JESD209-4, -4-1, -5, -5B and
JESD235A; DRAMsim3, DRAMSys, gem5 and Ramulator 2 (timing tables).
"""

from __future__ import annotations

import math

import pytest

from crossbar.params import CrossbarParams
from pimsim import load_config, simulate
from pimsim.config.schema import DramConfig, MemoryConfig
from pimsim.hardware.memory import Memory, MemoryShare
from pimsim.steps.step_tree import action_counts
from tests.support.closeness import near
from tests.support.config_parts import pair_of

# --- ADCs -------------------------------------------------------------------------------------------------------------

ADCS = {
    # bits, GS/s, mW, um^2 of MNSIM 2.0, Hardware_Model/ADC.py; pJ as it charges a conversion, (bits + 2) / f * P
    "adc-mnsim-10bit": (10, 1.5, 6.92, 1600, 55.4),
    "adc-isaac-8bit": (8, 1.28, 2.0, 1200, 15.6),  # ISAAC, ISCA 2016, Table I: 2 mW and 0.0012 mm^2 at 1.28 GS/s
    "adc-mnsim-8bit": (8, 1.1, 4.0, 1650, 36.4),
    "adc-mnsim-6bit-small": (6, 1.0, 1.26, 580, 10.1),
    "adc-mnsim-6bit": (6, 1.0, 1.26, 1650, 10.1),
    "adc-mnsim-4bit": (4, 1.0, 0.7, 500, 4.2),
}


def pair(name: str, *overrides: str) -> CrossbarParams:
    return pair_of(load_config(name, list(overrides)))


@pytest.mark.parametrize("name", ADCS)
def test_an_adc_of_mnsim_has_the_figures_of_its_table(name: str) -> None:
    bits, gs_per_s, mw, um2, pj = ADCS[name]
    adc = pair(name).adc
    assert (adc.kind, adc.bits, adc.energy_bits) == ("sar", bits, bits)
    assert adc.conversion_s == near((bits + 2) / gs_per_s * 1e-9)
    assert adc.area_m2 == near(um2 * 1e-12)
    assert adc.energy_per_conversion_j == near(mw * 1e-3 * (bits + 2) / gs_per_s * 1e-9, rel=1e-5)
    assert adc.energy_per_conversion_j == near(pj * 1e-12, rel=0.005), "three digits are published"


def test_adcs_of_other_sources_have_theirs() -> None:
    """Accelergy's ADC plug-in (fit to Murmann's survey), 45 nm: 3.25 pJ and 0.010 mm^2 for 8 bits up to 1 GS/s.

    NeuroSim, low-power SAR, 45 nm: 8 bits in 9 ns, 0.40 pJ on a column of 10 kOhm.
    """
    murmann, neurosim = pair("adc-murmann-8bit").adc, pair("adc-neurosim-8bit").adc
    assert (murmann.bits, murmann.conversion_s) == (8, near(1e-9))
    assert (murmann.energy_per_conversion_j, murmann.area_m2) == (near(3.25e-12), near(0.010e-6))
    assert (neurosim.bits, neurosim.conversion_s) == (8, near(9e-9, rel=1e-5))
    assert neurosim.energy_per_conversion_j == near(0.40e-12)
    assert neurosim.area_m2 == pair("defaults").adc.area_m2, "no area is published"


def test_more_bits_of_one_family_take_longer_and_cost_more() -> None:
    four, six, eight, ten = (pair(f"adc-mnsim-{bits}bit").adc for bits in (4, 6, 8, 10))
    energies = [each.energy_per_conversion_j for each in (four, six, eight, ten)]
    assert energies == sorted(energies)
    assert len(set(energies)) == 4
    # P / f alone, a pipelined converter, is about a tenth: 1.56 pJ for the ISAAC one.
    isaac = pair("adc-isaac-8bit").adc
    assert isaac.energy_per_conversion_j / (isaac.bits + 2) == near(1.56e-12, rel=0.005)


# --- cells ------------------------------------------------------------------------------------------------------------

STOCK = (10e3, 1e6, 0.15, 3.16e-9, 3.0, 10e-9)
"""LRS, HRS (ohm), read voltage, read pulse (s), write voltage, write pulse (s) of MNSIM's 130 nm 1T1R cell."""
PULSES = {
    "device-mnsim": STOCK,
    "device-neurosim": (
        100e3,
        1.7e6,
        0.15,
        10e-9,
        2.0,
        10e-9,
    ),  # NeuroSim V1.4; read voltage and write pulse are MNSIM's
    "device-neurosim-v15": (6e3, 102e3, *STOCK[2:]),
    "device-nvsim": (1e6, 10e6, 0.4, 3.16e-9, 2.0, 10e-9),  # NVSim's sample: 2 V 10 ns, 0.4 V; read pulse is MNSIM's
    "device-isaac": (1.333e3, 20e3, 0.2, 3.16e-9, 2.0, 40e-9),  # CiMLoop: 2 V 40 ns, 0.2 V; read pulse is MNSIM's
    "device-crosssim": (1e3, 10e3, *STOCK[2:]),
    "device-cmo-hfox": (1 / 90e-6, 1 / 8e-6, *STOCK[2:]),  # aihwkit: 90 uS and 8 uS
    "device-milo": (1 / 225e-6, 1 / 50e-6, *STOCK[2:]),  # CrossSim's RRAM_Milo: 50 to 225 uS
    "device-wan-neurram": (1 / 40e-6, 1 / 1e-6, *STOCK[2:]),  # aihwkit: g_max 40 uS
    "device-faulty-1t1r": STOCK,
    "device-hfox-lognormal": STOCK,
}


@pytest.mark.parametrize("name", PULSES)
def test_a_cell_has_the_resistances_and_pulses_of_its_source(name: str) -> None:
    cell = pair(name).cell
    found = (cell.lrs_ohm, cell.hrs_ohm, cell.read_voltage_v, cell.read_pulse_s, cell.write_voltage_v)
    assert (*found, cell.write_pulse_s) == near(PULSES[name], rel=1e-5)


def test_nvsims_cell_is_read_with_the_power_that_it_states() -> None:
    """0.16 uW: 0.4 V across 1 MOhm."""
    cell = pair("device-nvsim").cell
    assert cell.read_voltage_v**2 / cell.lrs_ohm == near(0.16e-6)


def test_mnsims_spread_and_faults_are_its_stock_ones() -> None:
    """SimConfig.ini: Device_Variation = 1 (percent), Device_SAF = 0.1,0.1 (percent), wires of 2.82 ohm a cell."""
    params = pair("device-mnsim")
    variation, faults = params.noise.variation, params.noise.faults
    assert (variation.lrs.distribution, variation.lrs.sigma) == ("normal", 0.01)
    assert (variation.hrs.distribution, variation.hrs.sigma) == ("normal", 0.01)
    assert (faults.stuck_lrs, faults.stuck_hrs) == (0.001, 0.001)
    assert (params.wires.word_line_ohm, params.wires.bit_line_ohm) == (2.82, 2.82)


@pytest.mark.parametrize("name", ["defaults", "pim-llm-published"])
def test_the_default_array_is_mnsims(name: str) -> None:
    """256 x 256 cells, 128 DACs of a bit and 3.9 uW, 128 ADCs, 64 x 64 tiles at 20 Gb/s, buffers of 64 bit and 20 ns.

    A 1-bit DAC takes b + 2 = 3 samples of 1 ns. By default, energies of buffers follow from the size that they need.
    """
    config = load_config(name)
    crossbar, mesh = config.machine.crossbar, config.machine.mesh
    assert crossbar
    assert mesh
    array, dac = crossbar.pair.array, crossbar.pair.dac
    assert (array.rows, array.columns, array.rows_at_once, array.adcs) == (256, 256, 128, 128)
    assert (dac.bits, dac.power_w, dac.area_m2, dac.conversion_s) == (1, 3.9e-6, near(0.166e-12), near(3e-9))
    assert (mesh.rows, mesh.columns, mesh.link_bandwidth_bps) == (64, 64, 20e9)
    for buffer in (crossbar.pe_buffer, crossbar.tile_buffer):
        assert (buffer.width_bits, buffer.cycle_s) == (64, 20e-9)
        if name == "pim-llm-published":  # a 16 KB buffer of 90 nm: 0.0448 and 0.0437 nJ an access, 8.863 mW
            assert (buffer.read_energy_j, buffer.write_energy_j) == (near(0.0448e-9), near(0.0437e-9))
            assert buffer.leakage_w == near(8.863e-3)


# --- memories ---------------------------------------------------------------------------------------------------------

CURRENTS_A = {"idd4r": 0.275, "idd4w": 0.210, "idd3n": 0.030, "idd4rq": 0.150, "idd4wq": 0.055, "idd3nq": 0.75e-3}
"""DRAMSys, memspec JEDEC_8Gb_LPDDR4-3200_16bit.json, rails vdd2 and vddq of 1.1 V; 16 bits at 3200 MT/s."""


def lpddr4_j_per_bit(way: str, core: float = 1.0, interface: float = 1.0) -> float:
    """Energy of a read ("r") or write ("w") from the currents, with factors of its two terms."""
    core_a = CURRENTS_A[f"idd4{way}"] - CURRENTS_A["idd3n"]
    interface_a = CURRENTS_A[f"idd4{way}q"] - CURRENTS_A["idd3nq"]
    return (core * core_a + interface * interface_a) * 1.1 / (16 * 3200e6)


FACTORS = {
    # of core and interface: Vddq 0.6 V; VDD2H 1.05 V and VDDQ 0.5 V; 0.7 per bit of that
    "memory-lpddr4": (1, 1),
    "memory-lpddr4x": (1, (0.6 / 1.1) ** 2),
    "memory-lpddr5": ((1.05 / 1.1) ** 2, (0.5 / 1.1) ** 2),
    "memory-lpddr5x": (0.7 * (1.05 / 1.1) ** 2, 0.7 * (0.5 / 1.1) ** 2),
    "memory-lpddr6": (0.8 * 0.7 * (1.05 / 1.1) ** 2, 0.8 * 0.7 * (0.5 / 1.1) ** 2),
}
MEMORIES = {
    # channels, MT/s, bits of a channel, latency to the first byte (s), energy of a read and of a write (J/bit)
    "memory-lpddr4": (4, 3200, 16, 35.5e-9, 8.47e-12, 5.03e-12),
    "memory-lpddr4x": (4, 4267, 16, 35.5e-9, 6.22e-12, 4.21e-12),
    "memory-lpddr5": (4, 6400, 16, 35.5e-9, 5.46e-12, 3.76e-12),
    "memory-lpddr5x": (4, 8533, 16, 35.5e-9, 3.82e-12, 2.64e-12),
    "memory-lpddr6": (8, 10667, 12 * 8 / 9, 39e-9, 3.056e-12, 2.112e-12),  # of 12 bits, 8/9 are data
    "memory-hbm2": (8, 2000, 128, 28e-9, 3.97e-12, 3.97e-12),  # O'Connor et al., MICRO 2017: 3.97 pJ/bit in all
    "memory-hbm3": (16, 6400, 64, 31.875e-9, 3.59e-12, 3.59e-12),  # attacc_simulator: 3.59 pJ/bit in all
}
PEAK_GB_PER_S = {
    # of all channels: per 16-bit channel 6.4, 8.5, 12.8 and 17.1 GB/s; 256 GB/s a stack of HBM2
    "memory-lpddr4": 25.6,
    "memory-lpddr4x": 34.1,
    "memory-lpddr5": 51.2,
    "memory-lpddr5x": 68.3,
    "memory-lpddr6": 113.8,  # 28.45 GB/s for each 24 pins: JEDEC's release has 28.5, Samsung's 114.1 for 96 pins
    "memory-hbm2": 256.0,
    "memory-hbm3": 819.2,
}


def memory(name: str) -> MemoryConfig:
    return load_config(name).machine.memory


@pytest.mark.parametrize("name", MEMORIES)
def test_a_memory_has_the_rate_latency_and_energy_of_its_standard(name: str) -> None:
    channels, mt_per_s, bits, latency_s, read_j, write_j = MEMORIES[name]
    found = memory(name)
    assert found.part.rpartition("-")[2] == str(mt_per_s)
    assert found.channels == channels
    assert found.channel_bandwidth_bytes_per_s == near(mt_per_s * 1e6 * bits / 8)
    assert found.channels * found.channel_bandwidth_bytes_per_s == near(PEAK_GB_PER_S[name] * 1e9, rel=2e-3)
    assert (found.access_latency_s, found.dram) == (near(latency_s), None)
    assert (found.read_energy_j_per_bit, found.write_energy_j_per_bit) == (near(read_j), near(write_j))


@pytest.mark.parametrize("name", FACTORS)
def test_energies_of_lpddr_follow_from_the_currents_of_lpddr4(name: str) -> None:
    found, factors = memory(name), FACTORS[name]
    assert found.read_energy_j_per_bit == near(lpddr4_j_per_bit("r", *factors), rel=1e-3)
    assert found.write_energy_j_per_bit == near(lpddr4_j_per_bit("w", *factors), rel=2e-3)


@pytest.mark.parametrize("name", sorted({*MEMORIES} - {"memory-lpddr4"}))
def test_a_preset_and_its_timing_table_charge_a_stream_alike(name: str) -> None:
    """Whole rows, up to their activations: 1.27 nJ per 2 KiB of LPDDR is 0.08 pJ/bit, 909 pJ per KiB of HBM2 0.11."""
    plain, table = Memory(memory(name)), Memory(memory(f"{name}-timing"))
    for write in (False, True):
        counts = action_counts(table.work(MemoryShare(1 << 20, write)))
        activated_j = counts["memory.activate"] * table.action_energies_j()["activate"]
        j_per_bit = [_energy_j(each, MemoryShare(1 << 20, write)) / (8 << 20) for each in (plain, table)]
        per_bit_j = {"memory-hbm2": 0.111e-12, "memory-hbm3": 0.11e-12}.get(name, 0.0775e-12)
        assert activated_j / (8 << 20) == near(per_bit_j, rel=2e-3)
        if "hbm3" in name:  # AttAcc's 3.59 pJ/bit are 3.48 and 0.11 of whole rows
            assert j_per_bit == near([3.59e-12] * 2, rel=1e-3)
        elif "hbm2" in name:  # O'Connor's 3.97 pJ/bit contain activations, of rows that are partly read
            assert j_per_bit[0] == near(3.97e-12)
        else:
            assert j_per_bit[1] - j_per_bit[0] == near(activated_j / (8 << 20))
            assert plain.leakage_w() == near(table.leakage_w(), rel=3e-3)


def _energy_j(part: Memory, share: MemoryShare) -> float:
    each = part.action_energies_j()
    return sum(count * each[name.partition(".")[2]] for name, count in action_counts(part.work(share)).items())


def test_background_of_lpddr4_is_standby_and_refresh() -> None:
    """Four channels: 2.25 mA at 1.8 V and 30 mA at 1.1 V; refresh of 8 and 63 mA for 280 ns of each 3.906 us."""
    standby_w, refresh_w = current_w((2.25, 1.8), (30, 1.1)), current_w((8, 1.8), (63, 1.1)) * 280 / 3906
    assert memory("memory-lpddr4").background_w == near(4 * (standby_w + refresh_w), rel=2e-3)


def test_the_energy_of_hbm2_is_its_shares_and_a_row_s_activation() -> None:
    """O'Connor: 909 pJ per row of 1 KB; 1.51, 1.17 and 0.80 pJ/bit before and behind the sense amplifiers and in I/O.

    3.97 pJ/bit in all is with 0.49 pJ/bit of activation: rows of which a bit less than a quarter is read.
    """
    dram = timed("memory-hbm2-timing")
    assert dram.read_energy_j_per_bit == near((1.51 + 1.17 + 0.80) * 1e-12)
    assert dram.write_energy_j_per_bit == dram.read_energy_j_per_bit
    assert (dram.activate_energy_j, dram.row_bytes) == (near(909e-12), 1024)
    whole_row_j_per_bit = dram.activate_energy_j / (8 * dram.row_bytes)
    assert whole_row_j_per_bit == near(0.111e-12, rel=2e-3)
    left_j = memory("memory-hbm2").read_energy_j_per_bit - dram.read_energy_j_per_bit
    assert whole_row_j_per_bit / left_j == near(0.2265, rel=1e-3)


DELAYS = (
    *("trcd_s", "trp_s", "tras_s", "trc_s", "tfaw_s", "read_latency_s", "write_latency_s", "trtp_s", "twr_s"),
    *("trrd_short_s", "trrd_long_s", "tccd_short_s", "tccd_long_s", "twtr_short_s", "twtr_long_s", "burst_s"),
    "read_to_write_gap_s",
)
TIMING_NS: dict[str, tuple[float, ...]] = {
    # HBM2_8Gb_x128.ini of DRAMsim3 (tCK 1 ns: tRCD 14, tRP 14, tRAS 34, tFAW 30, CL 14, CWL 4, tRTP_L 6, tWR 16,
    # tRRD 4 / 6, tWTR 6 / 8); tCCD 2 / 3 of DRAMSys; a burst of 4 at 2 Gb/s; Ramulator 2's CL + BL + 2 - CWL
    "memory-hbm2-timing": (14, 14, 34, 48, 30, 14, 4, 6, 16, 4, 6, 2, 3, 6, 8, 2, 2),
    # gem5's LPDDR5_6400_1x16_BG_BL16 and Ramulator 2's LPDDR5_6400, in whole CK of 1.25 ns
    "memory-lpddr5-timing": (
        *(18.75, 18.75, 42.5, 61.25, 20, 21.25, 13.75, 5, 35, 5, 5, 2.5, 5, 6.25, 12.5, 2.5, 1.25),
    ),
}
LPDDR4X_CK = (39, 39, 90, 129, 86, 40, 18, 17, 39, 22, 22, 8, 8, 22, 22, 8, 2)
"""JEDEC_1Gbx16_LPDDR4-4266.json of DRAMSys, RL + DQSCK 36 + 4; a CK is 468.75 ps."""
LPDDR5X_CK = (20, 20, 45, 65, 22, 23, 15, 6, 37, 6, 6, 2, 4, 7, 13, 2, 1)
"""LPDDR5's nanoseconds in CK of 0.9375 ns, rounded up."""


def timed(name: str) -> DramConfig:
    dram = memory(name).dram
    assert dram
    return dram


def delays_ns(name: str) -> list[float]:
    return [getattr(timed(name), key) * 1e9 for key in DELAYS]


def test_timing_tables_are_those_of_the_simulators() -> None:
    for name, expected in TIMING_NS.items():
        assert delays_ns(name) == near(list(expected), rel=1e-9), name
    assert delays_ns("memory-lpddr4x-timing") == pytest.approx([each * 0.46875 for each in LPDDR4X_CK], abs=1e-3)
    assert delays_ns("memory-lpddr5x-timing") == near([each * 0.9375 for each in LPDDR5X_CK], rel=1e-9)


def test_lpddr5xs_delays_are_lpddr5s_on_its_own_clock() -> None:
    """The nanoseconds of gem5 before they are rounded to a clock; at least as long, and less than a period longer."""
    bare_ns = {"trcd_s": 18, "trp_s": 18, "tras_s": 42, "trrd_long_s": 5, "tfaw_s": 20, "twr_s": 34, "twtr_long_s": 12}
    for name, ck_ns in (("memory-lpddr5-timing", 1.25), ("memory-lpddr5x-timing", 0.9375)):
        for key, least in bare_ns.items():
            periods = getattr(timed(name), key) * 1e9 / ck_ns
            assert periods == near(math.ceil(least / ck_ns - 1e-9)), (name, key)


GEOMETRY = {
    # pseudo-channels, bank groups, banks of each, rows, bytes of a row and of a burst, tRFC (ns), tREFI (us)
    "memory-hbm2-timing": (2, 4, 4, 32768, 1024, 32, 260, 3.9),
    "memory-lpddr4x-timing": (1, 1, 8, 131072, 2048, 32, 812 * 0.46875, 8341 * 0.46875e-3),
    "memory-lpddr5-timing": (1, 4, 4, 32768, 2048, 32, 210, 3.906),
    "memory-lpddr5x-timing": (1, 4, 4, 32768, 2048, 32, 210, 3.906),
    # Ramulator 2.1, LPDDR6_16Gb_x12: 16 Gb in 16 banks; HBM3_16Gb_8hi: two stack IDs of 2^14 rows
    "memory-lpddr6-timing": (1, 4, 4, 65536, 2048, 32, 1014 * 0.375, 3.906),
    "memory-hbm3-timing": (2, 4, 4, 32768, 1024, 32, 350, 3.9),
}


@pytest.mark.parametrize("name", GEOMETRY)
def test_a_timed_memory_has_the_banks_rows_and_refresh_of_its_table(name: str) -> None:
    *whole, trfc_ns, trefi_us = GEOMETRY[name]
    dram, plain = timed(name), memory(name.removesuffix("-timing"))
    keys = ("pseudo_channels", "bank_groups", "banks_per_group", "rows", "row_bytes", "burst_bytes")
    assert [getattr(dram, key) for key in keys] == whole
    assert (dram.trfc_s, dram.trefi_s) == (near(trfc_ns * 1e-9, rel=1e-5), near(trefi_us * 1e-6, rel=1e-4))
    # A burst takes what its bytes take at the peak of the part (to a ps, of LPDDR4X and 5X to 3e-4: 4267 is 4266.67).
    peak = plain.channel_bandwidth_bytes_per_s / dram.pseudo_channels
    assert dram.burst_bytes / dram.burst_s == near(peak, rel=3e-4)
    assert memory(name).access_latency_s == near(dram.trcd_s + dram.read_latency_s, rel=1e-6)


def current_w(*rails: tuple[float, float]) -> float:
    """Milliamperes at volts."""
    return sum(ma * 1e-3 * volts for ma, volts in rails)


def test_energies_of_timed_memories_follow_from_currents() -> None:
    """DRAMsim3 (HBM2: IDD3N 55, IDD5AB 250 mA at 1.2 V, 8 channels of 2 halves). DRAMSys, LPDDR4 8 Gb: IDD3N 2.25 mA at
    1.8 V and 30 mA at 1.1 V, IDD2N 2 and 27, IDD5 10 and 90 mA; four channels.
    """
    hbm2 = memory("memory-hbm2-timing")
    assert hbm2.background_w == near(8 * current_w((55, 1.2)))
    refresh_w = current_w((250 - 55, 1.2))
    assert timed("memory-hbm2-timing").refresh_energy_j == near(refresh_w * 260e-9 / 2, rel=2e-3)
    # Without a timing table nothing else charges refresh.
    assert memory("memory-hbm2").background_w == near(8 * (current_w((55, 1.2)) + refresh_w * 260 / 3900), rel=2e-3)
    for name, trfc_ns in (("lpddr4x", 812 * 0.46875), ("lpddr5", 280), ("lpddr5x", 280)):
        standby_w = current_w((2.25, 1.8), (30, 1.1))
        assert memory(f"memory-{name}-timing").background_w == near(4 * standby_w, rel=2e-3)
        above_idle_w = current_w((10 - 2, 1.8), (90 - 27, 1.1))
        assert timed(f"memory-{name}-timing").refresh_energy_j == near(above_idle_w * trfc_ns * 1e-9, rel=2e-3)


# --- what comes of them -----------------------------------------------------------------------------------------------

TPU_WEIGHT_BYTES = 12 * 12 * 768**2 + 50_257 * 768
"""Of GPT-2 small in 8 bits, with the LM head: the baseline streams them for each token."""


@pytest.mark.parametrize("name", MEMORIES)
def test_a_token_of_the_baseline_takes_and_costs_what_the_memory_says(name: str) -> None:
    """Weights, K and V of 128 entries in 8 bits with a float32 step per head, and those of one entry written; a row of
    the table of tokens and one of positions.
    """
    result = simulate(load_config({"extends": ["tpu-llm", name], "workload": {"model": "gpt2-small"}}))
    kv_bytes = 2 * 12 * (768 + 12 * 4)
    read = result.counts["memory.read_bit"] / 8
    assert read == TPU_WEIGHT_BYTES + 128 * kv_bytes + 2 * 768
    assert result.counts["memory.write_bit"] / 8 == kv_bytes
    *_, read_j, write_j = MEMORIES[name]
    moved_j = result.energies_j["memory.read_bit"] + result.energies_j["memory.write_bit"]
    assert moved_j == near(8 * (read * read_j + kv_bytes * write_j))
    streamed_s = (read + kv_bytes) / (PEAK_GB_PER_S[name] * 1e9)
    # Above it, only the latency of each access and a channel's share that is not even.
    # First accesses take 12 us of any of them, which is 8 % of the time of the fastest.
    most = 1.08 if name == "memory-hbm3" else 1.05
    assert streamed_s * 0.998 <= result.parts_ps["memory"] * 1e-12 <= streamed_s * most


@pytest.mark.parametrize("name", PULSES)
def test_a_read_of_a_cell_costs_what_mnsim_counts(name: str) -> None:
    """MNSIM 2.0, Hardware_Model/Crossbar.py: 0.1 V_hi^2 (0.67 / HRS + 0.33 / LRS), over the read pulse.

    W1A8: a differential pair of cells per weight is read once for each of the 8 bits of an activation.
    """
    result = simulate(load_config({"extends": ["pim-llm", name], "workload": {"model": "gpt2-small"}}))
    lrs_ohm, hrs_ohm, read_v, pulse_s, *_ = PULSES[name]
    reads = 2 * 8 * 12 * 12 * 768**2
    assert result.counts["tile.cell_read"] == reads
    expected_j = reads * 0.1 * read_v**2 * (0.67 / hrs_ohm + 0.33 / lrs_ohm) * pulse_s
    assert result.energies_j["tile.cell_read"] == near(expected_j, rel=1e-5)
