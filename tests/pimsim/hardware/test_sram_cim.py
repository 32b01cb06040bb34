"""SRAM compute-in-memory: closed form = steps, tiles and cycles by hand, swapped tiles."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.loading import load_config
from pimsim.hardware.sram_cim import CimMatmulShare, CimWriteShare, SramCim
from tests.oracles import naive_schedule
from tests.support.closeness import near


def unit(*overrides: str) -> SramCim:
    config = load_config("pim-llm-sram-attention", overrides).machine.sram_cim
    assert config is not None
    return SramCim(config)


STOCK, SMALL = unit(), unit("machine.sram_cim.macros=5", "machine.sram_cim.swap_macros=3")
SCORES = CimMatmulShare(1000, 4, 64, 2, 8, output_bits=32)


@given(
    share=st.builds(
        CimMatmulShare,
        *(st.integers(1, 600), st.integers(1, 8), st.integers(1, 600), st.integers(1, 5), st.integers(2, 8)),
    ),
    fraction=st.floats(0, 1),
)
def test_closed_form_is_the_sum_of_the_steps(share: CimMatmulShare, fraction: float) -> None:
    tiles = share.count * SMALL.tiles(share.m, share.k, share.bits)
    swapped = int(fraction * tiles)
    share = replace(share, swapped=swapped, swapped_bits=8 * swapped)
    end_ps, events = naive_schedule.replay(SMALL.work(share))
    assert SMALL.latency_ps(share) == end_ps
    counts = naive_schedule.action_counts(events)
    assert counts["sram_cim.bit_mac"] == share.macs * share.bits * 8
    assert counts["sram_cim.bus_bit"] == sum(SMALL.bus_bits(share)) + share.swapped_bits
    assert counts["sram_cim.write_bit"] == share.swapped_bits


def test_scores_by_hand() -> None:
    """1,000 keys of 64 elements: 32 keys of 8 bits fill the columns, so 32 tiles a matmul, each in a macro of its own.

    Cycles of 2.5 ns on a bus of 512 bits: 2 x 4 x 64 bytes in, 4 queries of 8 bits, 2 x 4 x 1,000 scores of 32 bits.
    """
    assert STOCK.tiles(1000, 64, 8) == 32
    assert STOCK.latency_ps(SCORES) == 2500 * (8 + 4 * 8 + 500)
    # Weighted values have the tokens along the rows: 8 groups of 128, two tiles of columns each, a tree of 3 adders.
    values = CimMatmulShare(64, 4, 1000, 2, 8, output_bits=32)
    assert STOCK.tiles(64, 1000, 8) == 16
    assert STOCK.latency_ps(values) == 2500 * (2 * 4 * 1000 // 64 + 32 + 3 + 32)
    counts = naive_schedule.action_counts(naive_schedule.replay(STOCK.work(values))[1])
    assert counts["sram_cim.add"] == 2 * 4 * 64 * 7


def test_swapped_tiles_are_written_round_by_round() -> None:
    """64 tiles; 2 of 5 macros keep 20 (10 each), and 44 pass through 3 macros: 14 rounds and one of 2 tiles.

    A tile of 64 x 256 bits takes 64 cycles of its macro's write port, and 3 tiles 96 cycles of the bus.
    """
    share = replace(SCORES, swapped=44, swapped_bits=44 * 64 * 256)
    assert SMALL.latency_ps(share) == 2500 * (8 + 10 * 32 + 14 * (96 + 32) + 64 + 32 + 500)
    assert SMALL.capacity_tiles(swapping=True) == 4
    assert SMALL.capacity_tiles(swapping=False) == 10


def test_writes_area_and_leakage() -> None:
    """A token of 8 heads, 64 elements of 8 bits for keys and values: 16 macros in parallel, 16 cycles of the bus."""
    assert STOCK.latency_ps(CimWriteShare(8192, 16)) == 2500 * 16
    assert unit("machine.sram_cim.write_bits_per_cycle=8").latency_ps(CimWriteShare(8192, 16)) == 2500 * 64
    (area,) = STOCK.areas()
    assert (area.count, area.total_m2) == (1024, near(1024 * 0.202e-6))
    assert STOCK.leakage_w() == near(1024 * 50e-6)
    # 89 TOPS/W at 4 x 4 bits (Chih et al., ISSCC 2021): 2 operations in 16 products of single bits.
    assert 2 / (16 * STOCK.action_energies_j()["bit_mac"]) == near(89e12, rel=0.01)
