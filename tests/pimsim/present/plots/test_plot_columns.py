"""Names and values of the columns of sweeps in plots."""

from __future__ import annotations

import math

from pimsim.present.plots.plot_columns import Names, plain, short_names

KEYS = {"link": "machine.mesh.link_bandwidth_bps"}


def test_short_names_tell_columns_apart() -> None:
    assert short_names(["machine.systolic.rows", "machine.mesh.rows", "machine.crossbar.pair.adc.bits"]) == {
        "machine.systolic.rows": "systolic rows",
        "machine.mesh.rows": "mesh rows",
        "machine.crossbar.pair.adc.bits": "ADC bits",
    }
    assert list(short_names(["a.b.c.rows", "x.b.c.rows"]).values()) == ["a b c rows", "x b c rows"]
    assert list(
        short_names(
            ["workload.context_length", "tokens_per_s", "gops_per_w", "area_m2", "latency_s", "array_snr_db", "clock"]
        ).values()
    ) == ["context length", "tokens/s", "GOPS/W", "area", "latency", "array SNR", "clock"]


def test_values_have_their_units() -> None:
    names = Names(["link", "area_m2", "x"], KEYS)
    assert names.text(20e9, "link") == "20 Gb/s"
    assert names.text(929e-6, "area_m2") == "929 mm²"
    assert names.text(2.5e-10, "area_m2") == "250 µm²"
    assert [names.text(value, "x") for value in (None, math.nan, True, 3, 0.25, "text", [1])] == [
        *("none", "none", "yes", "3", "0.25", "text", "[1]"),
    ]
    assert names.text("opt-6.7b", "model") == "OPT-6.7B"
    assert [plain(value) for value in (256, 0.5, 1262.4, 2e8, 0.000123)] == ["256", "0.5", "1,262", "2e+08", "0.000123"]
