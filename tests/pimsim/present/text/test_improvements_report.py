"""The report of what would help: its sentences, the ranked changes, and the bounds."""

from __future__ import annotations

import pytest

from pimsim import find_improvements, load_config, simulate
from pimsim.present.text.improvements_report import SHOWN, print_improvements
from pimsim.studies.what_if.candidates import KeyChange
from pimsim.studies.what_if.improvements import Bound, Figures, Improvements, Tried, format_setting
from tests.support.printed import printed, rows_below


def by_hand() -> Improvements:
    """A run of 8 ms, 4 mJ and 2 mm^2, with three changes: faster, smaller and worse."""
    faster = Tried((KeyChange("machine.mesh.switching", "store_and_forward", "cut_through"),),
                   Figures(4 * 10**9, 5e-3, 2e-6), 2.5, "")  # fmt: skip
    smaller = Tried(
        (
            KeyChange("machine.crossbar.pair.array.adcs", 128, 64),
            KeyChange("machine.crossbar.digital.pe_area_m2", 4e-9, 2e-9, follows=True),
        ),
        Figures(8 * 10**9, 2e-3, 1e-6),
        None,
        "look at the numbers",
    )
    worse = Tried((KeyChange("machine.mesh.packet_bits", None, 8),), Figures(9 * 10**9, 5e-3, 2e-6), 2.5, "")
    bounds = (Bound("communication", 0.6), Bound("systolic", 0.4))
    return Improvements(Figures(8 * 10**9, 4e-3, 2e-6), "dataflow", (faster, smaller, worse), 7, 2, bounds)


def test_the_report_of_known_changes() -> None:
    text = printed(print_improvements, by_hand())
    faster, serial = "makes the run more than", "compared under the serial schedule only, where they help less"
    smaller = "machine.crossbar.pair.array.adcs 128 -> 64 (with pe_area_m2)"
    assert text.splitlines()[:6] == [
        "What would help: the run repeated with one change at a time",
        "  time: machine.mesh.switching store_and_forward -> cut_through makes the run 2x as fast",
        f"  energy: {smaller} divides the energy by 2",
        f"  area: {smaller} divides the area by 2",
        f"  bound: communication takes 60.0% of the critical path, so that no change of it alone {faster} 2.5x as fast",
        f"  tried: 3 changes; {serial}: 7; not possible with this config: 2",
    ]
    assert rows_below(text, "less time") == [
        ["machine.mesh.switching store_and_forward -> cut_through", "2x", "+25.0%", "2.5x"]
    ]
    assert rows_below(text, "less energy") == [[smaller, "2x", "-50.0%"]]
    assert rows_below(text, "less area") == [[smaller, "2x", "-50.0%"]]
    assert rows_below(text, "on critical path")[:2] == [
        ["communication", "60.00%", "2.5x"], ["systolic", "40.00%", "1.667x"]
    ]  # fmt: skip
    assert text.splitlines()[-1] == "machine.crossbar.pair.array.adcs: look at the numbers"


def test_a_run_shows_the_best_few() -> None:
    found = find_improvements(simulate(load_config("pim-llm", ["workload.model=gpt2-small"])))
    text = printed(print_improvements, found)
    rows = rows_below(text, "less time")
    assert [row[0] for row in rows] == [each.text for each in found.best("time")[:SHOWN]]
    for sentence in found.sentences():
        assert sentence in text


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("machine.mesh.link_bandwidth_bps", 20e9, "20 Gb/s"),
        ("machine.mesh.packet_bits", None, "null"),
        ("machine.mesh.multicast", True, "true"),
        ("machine.mesh.switching", "cut_through", "cut_through"),
        ("machine.sram.capacity_bytes", 2**23, "8 MiB"),
        ("machine.systolic.rows", 32, "32"),
    ],
)
def test_values_are_written_as_in_a_config(key: str, value: object, text: str) -> None:
    assert format_setting(key, value) == text
    written = load_config("pim-llm", [f"{key}={text}"]).model_dump()
    for step in key.split("."):
        written = written[step]
    assert written == value
