"""DDR4 for pimsim: a data file, and the function that registers it."""

from pathlib import Path

from pimsim.hardware.shared.dram_standard import register_dram_standard


def register() -> None:
    """Register the standard; the package's entry point names this function."""
    register_dram_standard(Path(__file__).with_name("ddr4.yaml"))
