"""The tables and figures: what is in them, and how near each comes to what the paper prints."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

import pytest

from pimsim.config.loading import load_config
from pimsim.present.formats import to_csv
from pimsim.studies.paper import published_accounting as accounting
from pimsim.studies.paper.comparison_table import Row, Table, deviation_percent
from pimsim.studies.paper.paper_runs import CONTEXT_LENGTHS, MODELS, Study
from pimsim.studies.paper.paper_tables import ITEMS
from pimsim.studies.paper.published_values import printed_tokens_per_s, published
from tests.support.closeness import near

Tables = Mapping[str, Table]

# The first columns are a promise: other programs read these files.
FIRST_COLUMNS = {
    "fig1b": "model d_model context_length low_precision_share",
    "fig4": "model context_length dataflow",
    "fig5": "model context_length machine tokens_per_s",
    "fig6": "model context_length part share",
    "fig7": "model context_length machine tokens_per_j",
    "fig8": "model context_length machine words_per_charge",
    "table3": "design model context_length gops gops_per_w origin",
}
ROWS = {"fig1b": 7 * 6, "fig4": 7 * 3, "fig5": 84, "fig6": 7 * 6 * 7, "fig7": 84, "fig8": 84, "table3": 8 + 4}
PARTS = ("systolic", "communication", "buffer", "digital", "crossbar", "dac", "adc")


def pick(table: Table, **wanted: object) -> Row:
    """The one row with these values."""
    (row,) = (row for row in table.rows if all(row[column] == value for column, value in wanted.items()))
    return row


# --- all of them ----------------------------------------------------------------------------------------------------


def test_all_of_them_come_in_the_order_of_the_paper(tables: Tables) -> None:
    assert list(tables) == ["summary", *ITEMS] == ["summary", *FIRST_COLUMNS]


@pytest.mark.parametrize("item", FIRST_COLUMNS)
def test_rows_and_first_columns_are_those_that_were_promised(tables: Tables, item: str) -> None:
    table = tables[item]
    first = FIRST_COLUMNS[item].split()
    assert table.name == item
    assert list(table.columns[: len(first)]) == first
    assert len(table.rows) == ROWS[item]
    assert all(tuple(row) == table.columns for row in table.rows)
    keys = [
        tuple(value for value in list(row.values())[: len(first)] if isinstance(value, str | int)) for row in table.rows
    ]
    assert len(set(keys)) == len(keys), "a cell occurs twice"


@pytest.mark.parametrize("item", ["fig5", "fig7", "fig8"])
def test_every_model_context_and_machine_is_there(tables: Tables, item: str) -> None:
    assert [(row["model"], row["context_length"], row["machine"]) for row in tables[item].rows] == [
        (model, context_length, machine)
        for model in ("gpt2-350m", "gpt2-774m", "gpt2-1.5b", "opt-1.3b", "opt-2.7b", "llama-7b", "opt-6.7b")
        for context_length in (128, 256, 512, 1024, 2048, 4096)
        for machine in ("tpu-llm", "pim-llm")
    ]


@pytest.mark.parametrize("item", FIRST_COLUMNS)
def test_a_deviation_is_given_where_something_is_published_and_nowhere_else(tables: Tables, item: str) -> None:
    table = tables[item]
    theirs = [column for column in table.columns if column.startswith("published")]
    deviations = [column for column in table.columns if column.startswith("deviation")]
    assert len(theirs) == len(deviations) == (0 if item == "table3" else 1)
    for row in table.rows:
        for column, deviation in zip(theirs, deviations, strict=True):
            assert (row[column] is None) == (row[deviation] is None)
    known = {"fig1b": 42, "fig4": 0, "fig5": 84, "fig6": 2, "fig7": 6, "fig8": 6, "table3": 0}[item]
    assert sum(row[column] is not None for row in table.rows for column in theirs) == known


@pytest.mark.parametrize("item", FIRST_COLUMNS)
def test_csv_reads_back_with_empty_cells_for_none(tables: Tables, item: str) -> None:
    table = tables[item]
    read = list(csv.DictReader(io.StringIO(to_csv(table.rows))))
    assert tuple(read[0]) == table.columns
    for text_row, row in zip(read, table.rows, strict=True):
        for column, value in row.items():
            if value is None:
                assert text_row[column] == ""
            elif isinstance(value, bool):
                assert text_row[column] == str(value)
            else:
                assert type(value)(text_row[column]) == value  # to the last bit


@pytest.mark.parametrize("item", FIRST_COLUMNS)
def test_a_table_is_a_data_frame_too(tables: Tables, item: str) -> None:
    frame = tables[item].to_dataframe()
    assert tuple(frame.columns) == tables[item].columns
    assert len(frame) == ROWS[item]


def test_a_deviation_is_in_percent_of_what_is_published() -> None:
    assert deviation_percent(1.1, 1.0) == near(10)
    assert deviation_percent(0.5, 1.0) == -50
    assert deviation_percent(1.1, None) is None


# --- Fig. 1b --------------------------------------------------------------------------------------------------------


def test_fig1b_agrees_to_half_of_the_third_digit(tables: Tables) -> None:
    """One blind cell lies a little beyond the half: 0.80554 simulated, 0.805 printed."""
    for row in tables["fig1b"].rows:
        assert row["low_precision_share"] == pytest.approx(row["published"], abs=0.00055)
    same = sum(f"{row['low_precision_share']:.3f}" == f"{row['published']:.3f}" for row in tables["fig1b"].rows)
    assert same == 41


def test_fig1b_covers_the_opt_family_by_width(tables: Tables) -> None:
    widths = list(dict.fromkeys(row["d_model"] for row in tables["fig1b"].rows))
    assert widths == [1024, 2048, 2560, 4096, 5120, 7168, 9216]
    by_width = [[row["low_precision_share"] for row in tables["fig1b"].rows if row["d_model"] == d] for d in widths]
    assert all(shares == sorted(shares, reverse=True) for shares in by_width), "falls with the context"
    assert all(list(at) == sorted(at) for at in zip(*by_width, strict=True)), "grows with the model"


# --- Fig. 4 ---------------------------------------------------------------------------------------------------------


def test_fig4_finds_output_stationary_fastest_for_every_model(tables: Tables) -> None:
    for model in MODELS:
        by_dataflow = {row["dataflow"]: row for row in tables["fig4"].rows if row["model"] == model}
        assert list(by_dataflow) == ["os", "ws", "is"]
        assert by_dataflow["os"]["relative_to_os"] == 1
        assert 1 < by_dataflow["ws"]["relative_to_os"] < by_dataflow["is"]["relative_to_os"]
        for row in by_dataflow.values():
            assert row["latency_s"] == near(row["cycles"] / 100e6)


def test_fig4_keeps_the_labels_of_its_accounting(tables: Tables) -> None:
    """By hand, OPT-6.7B, the row ws: folds of M + 2R + C - 2 cycles for M outputs, which keep the inputs."""
    table = tables["fig4"]
    (note,) = table.notes
    assert "the row ws runs with machine.systolic.dataflow=is" in note
    row = next(row for row in table.rows if (row["model"], row["dataflow"]) == ("opt-6.7b", "ws"))
    d, ffn, context, d_head, heads = 4096, 16384, 128, 128, 32

    def cycles(outputs: int, k: int) -> int:
        return -(-k // 32) * (outputs + 64 + 32 - 2) - 1

    attention = heads * (cycles(context, d_head) + cycles(d_head, context))
    assert row["cycles"] == 32 * (4 * cycles(d, d) + cycles(ffn, d) + cycles(d, ffn) + attention)


# --- Fig. 5 ---------------------------------------------------------------------------------------------------------


def test_tpu_llm_agrees_in_every_printed_digit(tables: Tables) -> None:
    known = [key for key in printed_tokens_per_s() if key[2] == "tpu-llm"]
    assert len(known) == 42
    for model, context_length, machine in known:
        printed = printed_tokens_per_s()[model, context_length, machine]
        ours = pick(tables["fig5"], model=model, context_length=context_length, machine=machine)["tokens_per_s"]
        assert f"{ours:.{len(printed.partition('.')[2])}f}" == printed


@pytest.mark.parametrize(
    ("column", "blind", "worst", "mean"),
    [
        # Issue 13 states 0.87 % and 0.17 % for the blind values, measured outside the project.
        ("deviation_percent", True, "0.87", "0.17"),
        ("deviation_percent", False, "1.34", "0.25"),
        ("fitted_links_deviation_percent", True, "1.32", "0.23"),
        ("fitted_links_deviation_percent", False, "0.93", "0.25"),
    ],
)
def test_pim_llm_comes_near(tables: Tables, column: str, blind: bool, worst: str, mean: str) -> None:
    deviations = [
        abs(row[column]) for row in tables["fig5"].rows if row["machine"] == "pim-llm" and row["blind"] is blind
    ]
    assert len(deviations) == (33 if blind else 9)
    assert f"{max(deviations):.2f}" == worst
    assert f"{sum(deviations) / len(deviations):.2f}" == mean


def test_the_fit_of_the_links_is_of_pim_llm_only(tables: Tables) -> None:
    for row in tables["fig5"].rows:
        assert (row["fitted_links_tokens_per_s"] is None) == (row["machine"] == "tpu-llm")


def test_fig5_speedups_are_those_of_the_text(tables: Tables) -> None:
    """Printed as 11.6, 79.2, 1.5 and 5.71; the printed tokens/s alone, with two digits, leave 1 % to 2 % open."""
    for (model, context_length, _), printed in published("fig5", "ratio").items():
        pim, tpu = (
            pick(tables["fig5"], model=model, context_length=context_length, machine=machine)["tokens_per_s"]
            for machine in ("pim-llm", "tpu-llm")
        )
        assert pim / tpu == near(printed, rel=0.01)


def test_fig5_says_how_near_it_comes(tables: Tables) -> None:
    notes = "\n".join(tables["fig5"].notes)
    assert "tokens/s of TPU-LLM: every printed digit in 42 of 42" in notes
    assert "tokens/s of PIM-LLM: every printed digit in 14 of 42, worst 1.34 %, mean 0.19 %" in notes
    assert "blind test, tokens/s of PIM-LLM, of the values withheld until 2026-11-29" in notes
    assert "every printed digit in 11 of 33, worst 0.87 %, mean 0.17 %" in notes
    assert "tokens/s of PIM-LLM, fitted link bandwidth and buffer cycle: worst 1.32 %" in notes
    assert "speedup opt-6.7b, l=4096: 5.72x, published 5.71x" in notes


# --- Fig. 6 ---------------------------------------------------------------------------------------------------------


def test_fig6_shares_of_a_run_add_up_to_one(tables: Tables) -> None:
    for model in MODELS:
        for context_length in CONTEXT_LENGTHS:
            shares = fig6_shares(tables, model, context_length)
            assert tuple(shares) == PARTS
            assert sum(shares.values()) == pytest.approx(1, abs=1e-12)
            assert min(shares.values()) > 0


def test_fig6_systolic_share_is_the_printed_one(tables: Tables) -> None:
    """60 % as rounded; 73.9 % within 0.2 points (73.76 %)."""
    assert f"{fig6_shares(tables, 'opt-6.7b', 128)['systolic']:.0%}" == "60%"
    assert fig6_shares(tables, "gpt2-350m", 128)["systolic"] == pytest.approx(0.739, abs=0.002)
    assert all(fig6_shares(tables, model, 4096)["systolic"] > 0.97 for model in MODELS)


def test_fig6_analog_parts_of_opt_6_7b_take_less_than_a_hundredth(tables: Tables) -> None:
    for context_length in CONTEXT_LENGTHS:
        shares = fig6_shares(tables, "opt-6.7b", context_length)
        assert shares["crossbar"] + shares["dac"] + shares["adc"] < 0.01


def test_fig6_systolic_share_grows_with_the_context(tables: Tables) -> None:
    for model in MODELS:
        shares = [fig6_shares(tables, model, context_length)["systolic"] for context_length in CONTEXT_LENGTHS]
        assert shares == sorted(shares)


def fig6_shares(tables: Tables, model: str, context_length: int) -> dict[str, float]:
    return {
        row["part"]: row["share"]
        for row in tables["fig6"].rows
        if (row["model"], row["context_length"]) == (model, context_length)
    }


# --- Fig. 7, Fig. 8 -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "context_length", "printed"),
    # The first two fitted the energies; the third is a check, and the others are a blind test.
    [
        ("opt-6.7b", 128, 12.49),
        ("gpt2-350m", 4096, 70.58),
        ("gpt2-350m", 128, -33.7),
        ("gpt2-350m", 2048, 17.95),
        ("opt-6.7b", 2048, 22.79),
        ("opt-6.7b", 4096, 33.70),
    ],
)
def test_fig7_gains_are_the_printed_ones(tables: Tables, model: str, context_length: int, printed: float) -> None:
    row = pick(tables["fig7"], model=model, context_length=context_length, machine="pim-llm")
    assert row["published_gain_percent"] == near(printed)
    assert row["gain_percent"] == pytest.approx(printed, abs=0.01)  # 0.2 points were promised
    assert row["deviation_points"] == near(row["gain_percent"] - printed)


def test_fig7_gain_is_the_ratio_of_both_machines_tokens_per_joule(tables: Tables) -> None:
    for model in MODELS:
        for context_length in CONTEXT_LENGTHS:
            tpu, pim = (
                pick(tables["fig7"], model=model, context_length=context_length, machine=machine)
                for machine in ("tpu-llm", "pim-llm")
            )
            assert tpu["gain_percent"] is None
            assert pim["gain_percent"] == near(100 * (pim["tokens_per_j"] / tpu["tokens_per_j"] - 1))


def test_fig8_is_fig7_times_the_battery_over_tokens_per_word(tables: Tables) -> None:
    for seven, eight in zip(tables["fig7"].rows, tables["fig8"].rows, strict=True):
        assert eight["words_per_charge"] == near(seven["tokens_per_j"] * 14_400 / 1.5)


@pytest.mark.parametrize(("machine", "printed"), [("pim-llm", "1.6"), ("tpu-llm", "1.4")])
def test_fig8_agrees_in_both_printed_digits(tables: Tables, machine: str, printed: str) -> None:
    row = pick(tables["fig8"], model="opt-6.7b", context_length=128, machine=machine)
    assert f"{row['words_per_charge'] / 1e6:.1f}" == printed


# --- Table III ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("context_length", "gops", "gops_within", "gops_per_w", "gops_per_w_within"),
    # 1134.14 fitted the energies, so it has to come out; its GOPS has 2 % more than Fig. 5 gives (rule 6).
    [(1024, 58.5, 0.03, 1134.14, 1e-5), (4096, 17.6, 0.03, 1262.72, 0.01)],
)
def test_table3_comes_near(
    tables: Tables,
    context_length: int,
    gops: float,
    gops_within: float,
    gops_per_w: float,
    gops_per_w_within: float,
) -> None:
    row = pick(tables["table3"], design="PIM-LLM", model="opt-6.7b", context_length=context_length, origin="simulated")
    assert row["gops"] == near(gops, rel=gops_within)
    assert row["gops_per_w"] == near(gops_per_w, rel=gops_per_w_within)
    assert row["gops_deviation_percent"] == near(100 * (row["gops"] / gops - 1))
    assert row["gops_per_w_deviation_percent"] == near(100 * (row["gops_per_w"] / gops_per_w - 1))


def test_table3_has_the_published_rows_as_they_were_published(tables: Tables) -> None:
    rows = [row for row in tables["table3"].rows if row["origin"] == "published"]
    assert [tuple(row.values())[:5] for row in rows] == [
        ("PIM-LLM", "opt-6.7b", 1024, 58.5, 1134.14),
        ("PIM-LLM", "opt-6.7b", 4096, 17.6, 1262.72),
        ("HARDSEA", "gpt2-small", 1024, 3.2, None),
        ("TransPIM", "gpt2-medium", 4096, None, 200),
    ]
    assert {row["origin"] for row in tables["table3"].rows} == {"simulated", "published"}
    assert all(row["gops_deviation_percent"] is None for row in rows), "nothing deviates from itself"


def test_table3_evaluates_both_claims(tables: Tables) -> None:
    two, five, *rest = (note for note in tables["table3"].notes if not note.startswith("GOPS"))
    small = pick(tables["table3"], design="PIM-LLM", model="gpt2-small", context_length=1024)["gops"]
    medium = pick(tables["table3"], design="PIM-LLM", model="gpt2-medium", context_length=4096)["gops_per_w"]
    assert two == f"claim at least 2x the GOPS of HARDSEA (GPT-2 Small, l=1024): {small / 3.2:.2f}x, holds"
    assert five == f"claim at least 5x the GOPS/W of TransPIM (GPT-2 Medium, l=4096): {medium / 200:.2f}x, holds"
    assert small / 3.2 >= 2
    assert medium / 200 >= 5
    assert any("upper bound" in note for note in rest)
    assert any("a MAC is one operation" in note for note in rest)
    assert any(note.startswith("the printed 3.2 GOPS of HARDSEA are in doubt") for note in rest)


def test_a_claim_that_does_not_hold_is_called_so() -> None:
    """A mesh at half the speed loses the factor of two over HARDSEA."""
    slow = ITEMS["table3"](Study(pim=load_config("pim-llm-published", ["machine.mesh.link_bandwidth_bps=1 Gb/s"])))
    hardsea, transpim = (note for note in slow.notes if note.startswith("claim"))
    assert "x, does not hold" in hardsea
    assert "x, holds" in transpim


def test_gops_is_macs_per_token_times_fig5(tables: Tables, study: Study) -> None:
    for row in tables["table3"].rows:
        if row["origin"] == "simulated":
            run = study.run(row["design"].lower(), row["model"], row["context_length"])
            assert row["gops"] == near(run.macs * accounting.tokens_per_s(run) / 1e9)
