"""A result that revision 3e01c63 wrote, with a config of schema version 1, is shown as it was and run again.

Made by `python -m pimsim run tpu-llm --set workload.model=gpt2-small --set workload.context_length=16
--set leakage_gating=idle --set machine.systolic.dataflow=ws --out tpu-llm-gpt2-small.h5` at that revision; the two
figures below are what it printed with `--json`.
"""

from __future__ import annotations

from pathlib import Path

from pimsim import read_result, simulate
from pimsim.results.store import read_config
from tests.support.closeness import near
from tests.support.command_line import pimsim

FILE = Path(__file__).parents[2] / "data" / "version-1" / "tpu-llm-gpt2-small.h5"
LATENCY_PS = 31_241_286_000
ENERGY_J = 0.0159610295825472


def test_it_is_read_as_it_was() -> None:
    result = read_result(FILE)
    assert result.latency_ps == LATENCY_PS
    assert result.energy_j == near(ENERGY_J, rel=1e-12)
    shown = pimsim("show", str(FILE)).ok
    assert "leakage charged while busy" in shown.splitlines()[0]
    assert "31.24 ms" in shown


def test_it_is_run_again_with_its_old_meaning() -> None:
    """Its ws kept the inputs, its idle is idle_gated; with the names of today taken as they are, 20 % would differ."""
    config = read_config(FILE)
    assert (config.schema_version, config.leakage_gating) == (2, "idle_gated")
    assert config.machine.systolic.dataflow == "is"
    result = simulate(config)
    assert result.latency_ps == LATENCY_PS
    assert result.energy_j == near(ENERGY_J, rel=1e-12)
    assert "31.24 ms" in pimsim("run", str(FILE)).ok
