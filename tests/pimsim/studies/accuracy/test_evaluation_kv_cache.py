"""`pimsim accuracy` with other KV caches: its numbers are those of the decoder, its bytes those of the trace."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from pimsim import AccuracyResult, evaluate_accuracy, load_config, simulate, vary_accuracy
from pimsim.inference import Decoder, ExactProjector
from pimsim.present.text.accuracy_report import print_accuracy
from pimsim.studies.accuracy.accuracy_store import read_accuracy, write_accuracy
from pimsim.studies.accuracy.accuracy_study import AccuracyPoint, AccuracyStudy
from pimsim.studies.accuracy.evaluation import inputs_of
from pimsim.studies.accuracy.measures import nll
from pimsim.studies.sweep.measure.metrics import METRICS
from tests.support.command_line import assert_refused, pimsim
from tests.support.tiny_models import IDEAL, settings
from workloads.kv_cache import KvCacheSpec

HITTERS = {"keep": "heavy_hitters", "budget": 6, "sinks": 1, "key_bits": 4, "value_bits": 3}
GROUPS = {"key_bits": 2, "key_scales": "per_channel", "value_scales": "per_group", "group_size": 4, "scale_bits": 16}


def evaluated(folder: Path, kv: dict) -> AccuracyResult:
    changes = [*settings(folder, chips=1), *IDEAL, f"workload.kv={json.dumps(kv)}"]
    return evaluate_accuracy(load_config("pim-llm", changes), threads=1)


def told(result: AccuracyResult) -> str:
    file = io.StringIO()
    print_accuracy(AccuracyStudy((AccuracyPoint("", "", (), result),)), file)
    return " ".join(file.getvalue().split())


@pytest.mark.parametrize("kv", [HITTERS, GROUPS, {"keep": "recent", "recent": 3, "sinks": 2}])
def test_the_numbers_are_those_of_the_decoder_with_this_cache(folder: Path, kv: dict) -> None:
    result, full = evaluated(folder, kv), evaluated(folder, {})
    inputs = inputs_of(result.config)
    decoder = Decoder(inputs.network, ExactProjector(inputs.network), kv=KvCacheSpec(**kv))
    for window in result.windows:
        tokens, targets = (inputs.text.ids[window.start + shift :][: window.tokens] for shift in (0, 1))
        assert window.exact_nll == nll(decoder.logits(tokens), targets)
    assert result.perplexity.mean == result.exact_perplexity.mean != full.exact_perplexity.mean  # ideal arrays
    assert result.float_perplexity == full.float_perplexity
    assert METRICS["perplexity"].of(
        simulate(load_config(result.config.model_dump(mode="json"), [f"workload.model={folder}"]))
    ) == pytest.approx(result.perplexity.mean, rel=1e-12, abs=0)


def test_the_bytes_are_those_of_the_last_token_of_a_window(folder: Path) -> None:
    """2 layers, K and V, 2 KV heads of 8 elements; windows of 24 tokens (48 in two).

    Full: 24 x 2 x 2 x (2 x 8 x 16) bits. Hitters: 6 tokens of 8 x (4 + 3) + 2 x 32 bits, and a sum of 32 bits.
    """
    kept = evaluated(folder, HITTERS)
    spec = inputs_of(kept.config).network.spec
    assert (spec.layers, spec.kv_heads, spec.d_head) == (2, 2, 8)
    figures = kept.kv_cache
    assert figures is not None
    assert (figures.kv_tokens, figures.kv_kept) == (24, 6)
    assert figures.kv_bytes_full == 24 * 2 * 2 * 2 * 8 * 16 // 8
    assert figures.kv_bytes == 6 * 2 * 2 * (8 * (4 + 3) + 2 * 32 + 32) // 8
    assert (
        "KV cache: keys of 4 bits with a 32-bit step for each token and head, values of 3 bits with a 32-bit step for "
        "each token and head; the first 1, the newest 2 and those with the most attention, up to 6 tokens of each "
        "head; "
        f"{figures.kv_bytes} bytes after 24 tokens, 6 kept:"
    ) in told(kept)
    assert kept.summary()["kv_bytes"] == figures.kv_bytes


def test_files_keep_the_bytes_and_older_files_have_none(folder: Path, tmp_path: Path) -> None:
    result = evaluated(folder, GROUPS)
    study = AccuracyStudy((AccuracyPoint("", "", (), result),))
    write_accuracy(study, tmp_path / "a.h5")
    assert read_accuracy(tmp_path / "a.h5") == study
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["kv_caches"]
    [point] = read_accuracy(tmp_path / "a.h5").points
    assert point.result == replace(result, kv_caches=())
    line = "values of 8 bits with a 16-bit step and zero point for 4 channels of a token; all tokens"
    assert line in told(point.result)
    assert f"{line};" in told(result)
    assert f"{line};" not in told(point.result)


def test_one_key_of_the_cache_varies(folder: Path) -> None:
    config = load_config("pim-llm", [*settings(folder, chips=1), *IDEAL])
    study = vary_accuracy(config, [("workload.kv.key_bits", ("8", "2"))], threads=1, with_base=False)
    sizes = [point.result.kv_cache for point in study.points]
    assert sizes[0] is not None
    assert sizes[1] is not None
    assert sizes[0].kv_bytes - sizes[1].kv_bytes == 24 * 2 * 2 * 8 * 6 // 8
    assert study.points[0].result.exact_perplexity != study.points[1].result.exact_perplexity


def test_groups_that_do_not_divide_a_head_are_refused_in_one_sentence() -> None:
    words = ["workload.kv={key_scales: per_group, group_size: 48}", "accuracy.tokens=16"]
    outcome = pimsim("accuracy", "pim-llm", *(word for each in words for word in ("--set", each)))
    assert_refused(outcome, 3)
    assert "workload.kv.group_size: 48 must divide the 64 elements of a head" in outcome.err


@pytest.mark.parametrize(
    ("kv", "words"),
    [
        (
            {"keep": "recent", "recent": 24},
            "keep: recent drops no token, since a window of the text has only 24 tokens",
        ),
        (GROUPS | {"group_size": 32, "value_scales": "per_token"}, "no group of 32 tokens"),
        ({"keep": "recent", "recent": 23}, ""),
        (GROUPS, ""),
    ],
)
def test_a_setting_without_effect_is_named(folder: Path, kv: dict, words: str) -> None:
    found = [text for text in evaluated(folder, kv).warnings if "workload.kv" in text]
    assert len(found) == bool(words)
    assert words in "".join(found)


@pytest.mark.parametrize(
    ("kv", "words"),
    [
        (HITTERS | {"budget": 4096}, "all tokens are kept, and their attention is added up for the first choice"),
        ({"keep": "recent", "recent": 4096}, "all tokens are kept"),
        ({"keep": "recent", "recent": 3}, ""),
    ],
)
def test_a_policy_that_drops_nothing_in_the_machines_run_is_named(folder: Path, kv: dict, words: str) -> None:
    found = [note for note in evaluated(folder, kv).notes if "workload.kv" in note]
    assert len(found) == bool(words)
    assert "".join(found).endswith(words)
