"""The published numbers, typed a second time: whoever changes the data has to change them here as well."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import pimsim.studies.paper
from pimsim.studies.paper.published_values import printed_tokens_per_s, published, published_tokens_per_s
from workloads.models import find_model

DATA = Path(pimsim.studies.paper.__file__).parent / "data"

# arXiv:2504.01994, Fig. 5 at l = 128, 1024, 4096.
FIG5 = {
    ("gpt2-350m", "tpu-llm"): "18.72 13.54 6.95",
    ("gpt2-350m", "pim-llm"): "218.11 39.98 10.52",
    ("opt-1.3b", "tpu-llm"): "2.55 2.31 1.74",
    ("opt-1.3b", "pim-llm"): "101.31 19.71 5.24",
    ("opt-6.7b", "tpu-llm"): "0.49 0.47 0.41",
    ("opt-6.7b", "pim-llm"): "38.65 8.54 2.33",
}
HEADLINES = {
    ("fig1b", "low_precision_share"): {
        ("opt-350m", 128, ""): 0.967,
        ("opt-350m", 4096, ""): 0.512,
        ("opt-6.7b", 4096, ""): 0.829,
        ("opt-66b", 128, ""): 0.997,
    },
    ("fig5", "ratio"): {
        ("gpt2-350m", 128, "speedup"): 11.6,
        ("opt-6.7b", 128, "speedup"): 79.2,
        ("gpt2-350m", 4096, "speedup"): 1.5,
        ("opt-6.7b", 4096, "speedup"): 5.71,
    },
    ("fig6", "share"): {("opt-6.7b", 128, "systolic"): 0.60, ("gpt2-350m", 128, "systolic"): 0.739},
    ("fig7", "fraction"): {
        ("opt-6.7b", 128, "gain"): 0.1249,
        ("gpt2-350m", 4096, "gain"): 0.7058,
        ("gpt2-350m", 128, "gain"): -0.337,
    },
    ("fig8", "words_per_charge"): {("opt-6.7b", 128, "pim-llm"): 1.6e6, ("opt-6.7b", 128, "tpu-llm"): 1.4e6},
    ("table3", "gops"): {
        ("opt-6.7b", 1024, "PIM-LLM"): 58.5,
        ("opt-6.7b", 4096, "PIM-LLM"): 17.6,
        ("gpt2-small", 1024, "HARDSEA"): 3.2,
    },
    ("table3", "gops_per_w"): {
        ("opt-6.7b", 1024, "PIM-LLM"): 1134.14,
        ("opt-6.7b", 4096, "PIM-LLM"): 1262.72,
        ("gpt2-medium", 4096, "TransPIM"): 200,
    },
}


def test_fig5_is_known_at_eighteen_points() -> None:
    typed = {
        (model, context_length, machine): text
        for (model, machine), line in FIG5.items()
        for context_length, text in zip((128, 1024, 4096), line.split(), strict=True)
    }
    assert len(typed) == 18
    assert dict(printed_tokens_per_s()) == typed
    assert dict(published_tokens_per_s()) == {key: float(text) for key, text in typed.items()}


@pytest.mark.parametrize(("item", "quantity"), HEADLINES)
def test_headlines_are_those_of_the_paper(item: str, quantity: str) -> None:
    assert dict(published(item, quantity)) == HEADLINES[item, quantity]


def test_the_data_holds_nothing_else() -> None:
    assert sum(map(len, HEADLINES.values())) == len(rows("published.csv"))
    assert not published("fig4", "cycles")
    assert not published("fig7", "share")


@pytest.mark.parametrize("name", ["published.csv", "fig5.csv"])
def test_every_row_names_a_known_model_and_where_it_is_from(name: str) -> None:
    assert (DATA / name).read_text(encoding="utf-8").startswith("# ")
    for row in rows(name):
        assert find_model(row["model"])
        assert all(row[column] for column in row if column != "subject"), row


def test_published_values_cannot_be_changed_by_who_reads_them() -> None:
    with pytest.raises(TypeError):
        published("table3", "gops")["opt-6.7b", 1024, "PIM-LLM"] = 60  # type: ignore[index]
    with pytest.raises(TypeError):
        published_tokens_per_s()["opt-6.7b", 128, "pim-llm"] = 60  # type: ignore[index]


def rows(name: str) -> list[dict[str, str]]:
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))
