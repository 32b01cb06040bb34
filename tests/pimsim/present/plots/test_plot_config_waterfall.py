"""The plot of a waterfall has a bar for each config and each step."""

from __future__ import annotations

from pimsim import load_config
from pimsim.present.plots import config_waterfall_plots, rendered
from pimsim.present.plots.style import axis_unit
from pimsim.studies.config_waterfall.key_waterfall import key_waterfall
from tests.support.closeness import near

SMALL = ["workload.model=gpt2-small"]


def test_bars_start_where_the_step_before_ends() -> None:
    changes = ["workload.lm_head=true", "leakage_gating=ungated"]
    waterfall = key_waterfall(
        load_config("pim-llm-published", SMALL), load_config("pim-llm-published", [*SMALL, *changes])
    )
    draw = config_waterfall_plots(waterfall)["waterfall"]
    left, right = draw().axes
    assert [tick.get_text() for tick in left.get_yticklabels()] == [
        "pim-llm-published", "LM head", "leakage", "pim-llm-published",
    ]  # fmt: skip
    levels = [waterfall.start, *(step.level for step in waterfall.steps), waterfall.end]
    energies = [level.energy_j for level in levels]
    size = axis_unit(max(energies), "J")[0]
    ends = [bar.get_x() + bar.get_width() for bar in right.patches]
    assert [end * size for end in ends] == near(energies)
    starts = [bar.get_x() * size for bar in right.patches]
    assert starts == near([0, energies[0], energies[1], 0])
    assert left.get_xlabel().startswith("latency (")
    assert right.get_xlabel().startswith("energy (")
    rendered(draw)
