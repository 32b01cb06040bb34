"""Row-parallel commands: command by command, by hand, and against AttAcc's simulator."""

from __future__ import annotations

import pytest

from pimsim.config.loading import load_config
from pimsim.config.schema import DramConfig
from pimsim.hardware.shared.row_commands import RowCommands
from tests.oracles import naive_rows
from tests.support.closeness import near


def table(name: str) -> DramConfig:
    dram = load_config(name).machine.memory.dram
    assert dram is not None
    return dram


HBM3 = table("pim-llm-near-memory")


def test_by_hand() -> None:
    """16 rows, four per 15 ns and 2.5 ns apart: 52.5 ns; then 19.375 + 31 x 2.5 + 5.625 + 16.25 ns."""
    commands = RowCommands(HBM3)
    assert commands.opening_s(16) == near(52.5e-9)
    assert commands.round_s(16, 32, 2.5e-9) == near(171.25e-9)
    # A single column of a single bank: tRC of 45 ns is longer than tRCD + tRTP + tRP.
    assert commands.round_s(1, 1, 2.5e-9) == near(45e-9)
    assert RowCommands(HBM3, all_banks=True).round_s(16, 32, 2.5e-9) == near(118.75e-9)
    # 16 units: four activations take 15 ns, so 16 take 60 ns; their rows of 8 columns take 20 ns.
    assert commands.stream_s(16, 4, 8, 2.5e-9) == near(60e-9)
    assert commands.stream_s(1, 16, 32, 1.25e-9) == near(40e-9)
    assert commands.refresh_factor == near(3900 / 3550)
    assert RowCommands(HBM3.model_copy(update={"refresh": False})).refresh_factor == 1


@pytest.mark.parametrize("banks", [1, 3, 4, 5, 16])
@pytest.mark.parametrize("all_banks", [False, True])
@pytest.mark.parametrize("columns", [1, 7, 32])
def test_rounds_are_those_of_single_commands(banks: int, columns: int, all_banks: bool) -> None:
    commands = RowCommands(HBM3, all_banks=all_banks)
    starts = naive_rows.first_activations(HBM3, banks, columns, 2.5e-9, all_banks=all_banks)
    round_s = commands.round_s(banks, columns, 2.5e-9)
    assert starts == [0, near(round_s), near(2 * round_s)]


@pytest.mark.parametrize(
    ("tokens", "cycles"),
    [(128, 38732), (144, 42256), (160, 45403), (176, 48792), (192, 52298), (208, 55522), (224, 59158), (248, 65518)],
)
def test_attacc(tokens: int, cycles: int) -> None:
    """Cycles that AttAcc's simulator prints for units at all banks (scale-snu/attacc_simulator c1540de, ramulator.out).

    2,050 heads of 128 elements of 2 bytes on 16 channels of 64 banks: 129 heads on the busiest channel, and per head
    one row of keys and one of values, of which every bank reads tokens / 8 columns, 6 cycles apart. Timings of
    HBM3_5.2Gbps (pim_ramulator_src/HBM3-PIM.cpp): tRCD 19, tRP 19, tRAS 45, tRC 63 and tRTP 8 cycles of 769 ps; refresh
    of 350 ns every 3.9 us. Its transfers run beside the reads.
    """
    cycle_s = 769e-12
    timings = {"trcd_s": 19, "trp_s": 19, "tras_s": 45, "trc_s": 63, "trtp_s": 8}
    dram = HBM3.model_copy(update={key: each * cycle_s for key, each in timings.items()})
    commands = RowCommands(dram, all_banks=True)
    columns = 2 * -(-tokens // 16)
    ours = 129 * 2 * commands.round_s(64, columns, 6 * cycle_s) / cycle_s * commands.refresh_factor
    assert ours == near(cycles, rel=0.01)
