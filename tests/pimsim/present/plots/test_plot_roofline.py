"""The roofline plot has every class with an intensity at its place, and each roof from its ridge point on."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from pimsim import Roofline, load_config, roofline, simulate
from pimsim.present.plots import roofline_plots, write_plot
from pimsim.present.plots.style import COLUMN_IN
from tests.pimsim.present.plots.drawn import entries, panels, texts
from tests.support.closeness import near


def found(*settings: str) -> Roofline:
    return roofline(simulate(load_config("pim-llm", ["workload.model=kjv-bitnet", *settings])))


@pytest.fixture(scope="module")
def runs() -> tuple[Roofline, ...]:
    return found(), found("workload.batch=4")


def drawn(runs: tuple[Roofline, ...]) -> Figure:
    return roofline_plots(runs)["roofline"]()


def test_each_class_with_an_intensity_is_a_point(runs: tuple[Roofline, ...]) -> None:
    figure = drawn(runs)
    assert figure.get_size_inches()[0] == COLUMN_IN
    for axes, resource in zip(panels(figure), ("memory", "sram"), strict=True):
        points = sorted(tuple(map(float, line.get_xydata()[0])) for line in axes.lines if len(line.get_xydata()) == 1)
        expected = sorted(
            (intensity, rate)
            for run in runs
            for point in run.classes
            if (intensity := point.intensity(resource)) and (rate := point.attained_per_s)
        )
        assert points == expected
        slopes = [line.get_xydata() for line in axes.lines if len(line.get_xydata()) == 3]
        ridges = {float(xy[1][0]): float(xy[1][1]) for xy in slopes}
        for unit in runs[0].compute_roofs():
            assert ridges[runs[0].ridge(unit.resource, resource) or 0] == unit.peak_per_s
        assert texts(axes) == ["crossbars", "systolic array", "vector unit"]
        assert all(float(xy[0][1] / xy[0][0]) == near(float(xy[1][1] / xy[1][0])) for xy in slopes)
    assert entries(figure)[-2:] == ["decode", "decode, batch of 4"]


def test_the_same_plot_is_the_same_pdf(runs: tuple[Roofline, ...], tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        write_plot(tmp_path / name, roofline_plots(runs[0])["roofline"])
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert b"pimsim " in (tmp_path / "a.pdf").read_bytes()
