"""A config whose arrays compute noise gets one warning, in every report and in JSON; other configs get none."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pimsim import generate, load_config, load_requests, serve, simulate
from pimsim.base.shipped_files import list_configs
from pimsim.present.text.serving_report import print_serving
from pimsim.results.array_warnings import KEYS, LOWEST_SNR_DB, PAIR, array_warnings
from tests.support.command_line import pimsim
from tests.support.printed import printed

SMALL = "workload.model=gpt2-small"
IDEAL_WIRES = f"{PAIR}.wires.model=none"
STOCK = (
    "the arrays compute noise: SNR of about 0.6 dB (needed: 10), mostly because of wires "
    "(machine.crossbar.pair.wires); see pimsim array"
)


def test_stock_wires_are_named_and_ideal_wires_pass() -> None:
    assert array_warnings(load_config("pim-llm")) == (STOCK,)
    assert array_warnings(load_config("pim-llm", [IDEAL_WIRES])) == ()


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ([f"{PAIR}.noise.variation.lrs.sigma=0.5"], "noise.variation"),
        ([f"{PAIR}.noise.faults.stuck_lrs=0.1"], "noise.faults"),
        ([f"{PAIR}.noise.read.lrs=0.3"], "noise.read"),
        ([f"{PAIR}.adc.bits=3"], "adc.bits"),
        ([f"{PAIR}.dac.level_error=0.5"], "dac.level_error"),
    ],
)
def test_the_main_source_is_named_by_its_key(overrides: list[str], key: str) -> None:
    [warning] = array_warnings(load_config("pim-llm", [IDEAL_WIRES, *overrides]))
    assert f"({PAIR}.{key})" in warning
    assert key in KEYS.values()


def test_projections_that_run_elsewhere_need_no_arrays() -> None:
    assert array_warnings(load_config("tpu-llm")) == ()
    assert array_warnings(load_config("pim-llm", ["mapping.projections=systolic"])) == ()
    assert LOWEST_SNR_DB == 10


def test_every_report_has_it_once_and_its_json_too() -> None:
    config = load_config("pim-llm", [SMALL, "workload.prompt_length=4", "workload.new_tokens=2"])
    result, served = simulate(config), serve(config, list(load_requests("requests-chat"))[:1])
    generation = generate(
        config.model_copy(update={"workload": config.workload.model_copy(update={"phase": "generate"})})
    )
    for each in (result, generation, served):
        assert each.to_dict()["warnings"] == [STOCK]
    shown = printed(print_serving, served)
    assert shown.count("warning:") == 1
    run = pimsim("run", "pim-llm", "--model", "gpt2-small").ok
    assert f"\nwarning: {STOCK}\n" in run
    quiet = pimsim("run", "pim-llm", "--model", "gpt2-small", "--set", IDEAL_WIRES)
    assert "warning" not in quiet.ok
    told = json.loads(pimsim("run", "pim-llm", "--model", "gpt2-small", "--set", IDEAL_WIRES, "--json").ok)
    assert told["warnings"] == []


def test_every_shipped_config_has_at_most_one() -> None:
    for name in list_configs():
        if not name.startswith("sweep"):
            assert len(array_warnings(load_config(name))) <= 1


@pytest.mark.timeout(120)
def test_no_kernel_is_loaded() -> None:
    code = (
        "import sys; from pimsim import load_config; from pimsim.results.array_warnings import array_warnings; "
        "assert array_warnings(load_config('pim-llm')); "
        "assert not {'numba', 'numpy', 'llvmlite'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("mode", "most", "macro"), [("current", 784, "Liu et al."), ("voltage", 256, "NeuRRAM")])
def test_more_rows_at_once_than_silicon_has_shown(mode: str, most: int, macro: str) -> None:
    """784 rows by current, 256 by voltage (docs/circuits.md); one more has a warning that names the macro."""
    settings = [IDEAL_WIRES, f"{PAIR}.adc.bits=12", f"{PAIR}.array.rows=1024", f"{PAIR}.sensing.mode={mode}"]
    base = {"extends": ["pim-llm", "circuits-130nm"]}
    assert array_warnings(load_config(base, [*settings, f"{PAIR}.array.rows_at_once={most}"])) == ()
    [warning] = array_warnings(load_config(base, [*settings, f"{PAIR}.array.rows_at_once={most + 1}"]))
    assert warning.startswith(f"{most + 1} rows are driven at once")
    assert f"with {mode} sensing shows are {most} ({macro}" in warning


def test_integrated_planes_have_no_estimate_of_the_snr_but_a_note() -> None:
    result = simulate(load_config("macro-neurram"))
    assert result.warnings == ()
    assert any(
        "SNR of arrays is not estimated, because" in note and "sensing.integration" in note for note in result.notes
    )
