"""Report of a waterfall: values of keys as a config spells them."""

from __future__ import annotations

from typing import Any

import pytest

from pimsim import load_config
from pimsim.present.text.waterfall_report import print_waterfall, shown_value
from pimsim.studies.config_waterfall.key_waterfall import key_waterfall
from tests.support.printed import printed


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("machine.mesh.link_bandwidth_bps", 2e10, "20 Gb/s"),
        ("machine.mesh.rows", 64, "64"),
        ("workload.lm_head", True, "true"),
        ("workload.trace", None, "null"),
        ("machine.mesh", {"rows": 1}, "section"),
        ("leakage_gating", "ungated", "ungated"),
    ],
)
def test_values_are_shown_with_their_unit(key: str, value: Any, text: str) -> None:
    assert shown_value(key, value) == text


def test_a_row_has_level_and_change_of_its_step() -> None:
    small = ["workload.model=gpt2-small"]
    waterfall = key_waterfall(
        load_config("pim-llm-published", small),
        load_config("pim-llm-published", [*small, "machine.mesh.link_bandwidth_bps=10 Gb/s"]),
    )
    (step,) = waterfall.steps
    lines = printed(print_waterfall, waterfall).splitlines()
    row = next(line for line in lines if line.startswith("machine.mesh.link_bandwidth_bps")).split()
    assert row[1] == f"{step.level.latency_ps / 1e9:.8g}"
    assert row[2] == f"{step.change.latency_ps / 1e9:+.6g}"
