"""The published numbers, typed a second time: whoever changes the data has to change them here as well."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import pimsim.studies.paper
from pimsim.studies.paper.published_values import (
    PublishedValue,
    calibration_tokens_per_s,
    printed_tokens_per_s,
    published,
    published_tokens_per_s,
    published_values,
)
from workloads.models import find_model

DATA = Path(pimsim.studies.paper.__file__).parent / "data"

# arXiv:2504.01994, Fig. 5 at l = 128, 256, 512, 1024, 2048, 4096.
FIG5 = {
    ("gpt2-350m", "tpu-llm"): "18.72 17.75 16.08 13.54 10.29 6.95",
    ("gpt2-350m", "pim-llm"): "218.11 133.27 74.96 39.98 20.68 10.52",
    ("gpt2-774m", "tpu-llm"): "8.18 7.83 7.21 6.23 4.89 3.43",
    ("gpt2-774m", "pim-llm"): "119.07 72.10 40.30 21.41 11.05 5.62",
    ("gpt2-1.5b", "tpu-llm"): "4.00 3.86 3.61 3.19 2.59 1.88",
    ("gpt2-1.5b", "pim-llm"): "71.41 43.25 24.18 12.85 6.63 3.37",
    ("opt-1.3b", "tpu-llm"): "2.55 2.51 2.44 2.31 2.08 1.74",
    ("opt-1.3b", "pim-llm"): "101.31 63.67 36.52 19.71 10.26 5.24",
    ("opt-2.7b", "tpu-llm"): "1.23 1.22 1.19 1.14 1.04 0.90",
    ("opt-2.7b", "pim-llm"): "59.23 37.55 21.68 11.75 6.13 3.13",
    ("llama-7b", "tpu-llm"): "0.62 0.62 0.61 0.59 0.55 0.50",
    ("llama-7b", "pim-llm"): "42.82 27.49 16.02 8.73 4.57 2.34",
    ("opt-6.7b", "tpu-llm"): "0.49 0.48 0.48 0.47 0.45 0.41",
    ("opt-6.7b", "pim-llm"): "38.65 25.71 15.40 8.54 4.52 2.33",
}
# Fig. 1b by model, at the same contexts.
FIG1B = {
    "opt-350m": "0.967 0.940 0.890 0.805 0.677 0.512",
    "opt-1.3b": "0.983 0.968 0.941 0.890 0.804 0.673",
    "opt-2.7b": "0.986 0.974 0.951 0.909 0.835 0.718",
    "opt-6.7b": "0.992 0.986 0.974 0.950 0.906 0.829",
    "opt-13b": "0.994 0.989 0.979 0.960 0.923 0.858",
    "opt-30b": "0.996 0.992 0.985 0.971 0.944 0.894",
    "opt-66b": "0.997 0.994 0.988 0.977 0.956 0.916",
}
CONTEXT_LENGTHS = (128, 256, 512, 1024, 2048, 4096)
KNOWN_FIG5 = ("gpt2-350m", "opt-1.3b", "opt-6.7b"), (128, 1024, 4096)
KNOWN_FIG1B = {("opt-350m", 128), ("opt-350m", 4096), ("opt-6.7b", 4096), ("opt-66b", 128)}
HEADLINES = {
    ("fig5", "ratio"): {
        ("gpt2-350m", 128, "speedup"): 11.6,
        ("opt-6.7b", 128, "speedup"): 79.2,
        ("gpt2-350m", 4096, "speedup"): 1.5,
        ("opt-6.7b", 4096, "speedup"): 5.71,
    },
    ("fig6", "share"): {("opt-6.7b", 128, "systolic"): 0.60, ("gpt2-350m", 128, "systolic"): 0.739},
    ("fig7", "fraction"): {
        ("opt-6.7b", 128, "gain"): 0.1249,
        ("gpt2-350m", 128, "gain"): -0.337,
        ("gpt2-350m", 2048, "gain"): 0.1795,
        ("opt-6.7b", 2048, "gain"): 0.2279,
        ("gpt2-350m", 4096, "gain"): 0.7058,
        ("opt-6.7b", 4096, "gain"): 0.3370,
    },
    ("fig8", "words_per_charge"): {
        ("opt-6.7b", 128, "pim-llm"): 1.6e6,
        ("opt-6.7b", 128, "tpu-llm"): 1.4e6,
        ("opt-6.7b", 4096, "pim-llm"): 1.6e6,
        ("opt-6.7b", 4096, "tpu-llm"): 1.2e6,
        ("gpt2-350m", 4096, "pim-llm"): 35e6,
        ("gpt2-350m", 4096, "tpu-llm"): 20e6,
    },
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
WITHHELD_FIG7 = {("gpt2-350m", 2048, "gain"), ("opt-6.7b", 2048, "gain"), ("opt-6.7b", 4096, "gain")}


def test_fig5_has_84_values_of_which_18_were_known() -> None:
    typed = {
        (model, context_length, machine): text
        for (model, machine), line in FIG5.items()
        for context_length, text in zip(CONTEXT_LENGTHS, line.split(), strict=True)
    }
    assert len(typed) == 84
    assert dict(printed_tokens_per_s()) == typed
    assert dict(published_tokens_per_s()) == {key: float(text) for key, text in typed.items()}
    models, context_lengths = KNOWN_FIG5
    known = {key: float(text) for key, text in typed.items() if key[0] in models and key[1] in context_lengths}
    assert len(known) == 18
    assert dict(calibration_tokens_per_s()) == known


def test_fig1b_has_42_values_of_which_4_were_known() -> None:
    typed = {
        (model, context_length, ""): PublishedValue(text, (model, context_length) not in KNOWN_FIG1B)
        for model, line in FIG1B.items()
        for context_length, text in zip(CONTEXT_LENGTHS, line.split(), strict=True)
    }
    assert len(typed) == 42
    assert dict(published_values("fig1b", "low_precision_share")) == typed


@pytest.mark.parametrize(("item", "quantity"), HEADLINES)
def test_headlines_are_those_of_the_paper(item: str, quantity: str) -> None:
    assert dict(published(item, quantity)) == HEADLINES[item, quantity]


def test_111_values_were_withheld() -> None:
    """33 + 33 of Fig. 5, 38 of Fig. 1b, 3 of Fig. 7 and 4 of Fig. 8; nothing of Fig. 6 and Table III."""
    withheld = {
        each: {key for key, value in published_values(*each).items() if value.withheld}
        for each in [("fig5", "tokens_per_s"), ("fig1b", "low_precision_share"), *HEADLINES]
    }
    assert {each: len(keys) for each, keys in withheld.items() if keys} == {
        ("fig5", "tokens_per_s"): 66,
        ("fig1b", "low_precision_share"): 38,
        ("fig7", "fraction"): 3,
        ("fig8", "words_per_charge"): 4,
    }
    assert withheld["fig7", "fraction"] == WITHHELD_FIG7
    assert withheld["fig8", "words_per_charge"] == {
        key for key in HEADLINES["fig8", "words_per_charge"] if key[:2] != ("opt-6.7b", 128)
    }


def test_the_data_holds_nothing_else() -> None:
    assert sum(map(len, HEADLINES.values())) + 42 == len(rows("published.csv"))
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
