"""The waterfall plot: from the published accounting to all corrections together."""

from __future__ import annotations

from collections.abc import Mapping

from pimsim.present.plots import (
    paper_plots,
)
from pimsim.present.plots.plot_waterfall import steps
from pimsim.present.plots.style import model_label, three_digits
from pimsim.studies.paper.comparison_table import Table
from tests.pimsim.present.plots.drawn import boxes, texts
from tests.support.closeness import near


def test_a_waterfall_goes_from_published_to_all_together(corrected: Mapping[str, Table]) -> None:
    rows = corrected["tokens_per_j"].rows
    figure = paper_plots(corrected)["tokens_per_j"]()
    cells = dict.fromkeys((row["model"], row["context_length"]) for row in rows)
    for axes, (model, context) in zip(figure.axes, cells, strict=True):
        assert axes.get_title() == f"{model_label(model)}, l = {context}"
        cell = [row for row in rows if (row["model"], row["context_length"]) == (model, context)]
        drawn = iter(boxes(axes))
        dots = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
        for column in ("tpu_so_far", "pim_so_far"):
            for step in steps(cell, column):
                if step.before not in (None, step.level):
                    box = next(drawn)
                    ends = sorted((step.before, step.level))
                    assert [box.get_x(), box.get_x() + box.get_width()] == near(ends)
            assert cell[0][column] in dots
            assert cell[-1][column] in dots
        assert next(drawn, None) is None
        assert texts(axes) == [three_digits(row["ratio_so_far"]) for row in cell]


def test_the_steps_of_a_waterfall_skip_alternative_values(corrected: Mapping[str, Table]) -> None:
    rows = [r for r in corrected["tokens_per_j"].rows if (r["model"], r["context_length"]) == ("opt-6.7b", 128)]
    by_label = {step.label: step for step in steps(rows, "tpu_so_far")}
    assert by_label["tpu_weight_storage=1"].before == by_label["tpu_weight_storage=8"].before
    assert by_label["digital_units"].before == by_label["tpu_weight_storage=8"].level
    assert not by_label["leakage=ungated"].goes_on
    assert by_label["all together"].level == by_label["leakage=idle_gated"].level
