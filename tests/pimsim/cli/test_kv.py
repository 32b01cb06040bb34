"""`pimsim kv`: text, JSON, CSV and plot of the sizes of KV caches, and refusals."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.support.command_line import assert_refused
from tests.support.command_line import pimsim as run_pimsim


def test_text_has_bytes_scales_tiers_and_the_multi_head_equivalent(tmp_path: Path) -> None:
    table, plot = tmp_path / "kv.csv", tmp_path / "kv.pdf"
    shown = run_pimsim(
        "kv", "llama-3-70b", "--context", "131072", "--bits", "16,8:4", "--sinks", "4", "--recent", "1020",
        "--tier", "hbm3:5", "--csv", table, "--plot", plot,
    ).ok  # fmt: skip
    lines = shown.splitlines()
    assert lines[0] == "llama-3-70b: KV cache at context 131,072"
    cells = ["all", "16", "none", "131,072", "327,680", "B", "40", "GiB", "40", "GiB", "320", "GiB", "8x"]
    assert next(line.split() for line in lines if line.startswith("all")) == cells
    assert "8:4    per_token, 32 bits" in shown
    assert any(line.startswith("hbm3 x 5     80 GiB   4.096 TB/s   all ") for line in lines)
    assert max(map(len, lines)) <= 160
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    assert [row["policy"] for row in rows] == ["all", "recent", "all", "recent"]
    assert rows[0]["sequence_bytes"] == str(40 * 2**30)
    assert plot.read_bytes().startswith(b"%PDF")
    # The same command replaces its own files, and nothing else.
    again = ("kv", "llama-3-70b", "--bits", "8", "--plot", plot)
    assert run_pimsim(*again).code == 0
    plot.write_text("mine", encoding="utf-8")
    assert_refused(run_pimsim(*again), 7)


def test_json_has_the_weights_and_the_sources() -> None:
    weights = ("--weights-in", "hbm3", "--weight-bits", "1")
    shown = json.loads(run_pimsim("kv", "llama-3-8b", "--bits", "4", "--tier", "hbm3", *weights, "--json").ok)
    assert shown["weights"] == 8_029_995_008
    [fit] = shown["sizes"][0]["tiers"]
    assert fit["free_bytes"] == 2**34 - 8_029_995_008 // 8
    assert shown["tiers"][0]["sources"]["access_latency_s"]["confidence"] == "A"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["llama-3-8b", "--context", "0"], 4, "context: must be an integer from 1"),
        (["llama-3-8b", "--bits", "5"], 4, "bits: 5 is not one of 16, 8, 6, 4, 3, 2"),
        (["llama-3-8b", "--bits", "8,,4"], 2, "an item of '8,,4' is empty"),
        (["llama-3-8b", "--bits", "k8"], 2, "'k8' is not a number of bits"),
        (["llama-3-8d"], 4, "unknown model 'llama-3-8d' (did you mean llama-3-8b"),
        (["llama-3-8b", "--tier", "hmb3"], 3, "did you mean hbm3?"),
        (["llama-3-8b", "--scales", "per_head"], 2, "'per_head' is not one of per_token, per_channel, per_group"),
        (["llama-3-8b", "--plot", "kv.txt"], 2, "ends in none of .png, .svg, .pdf"),
        (["llama-3-8b", "--scale-bits", "24"], 4, "scale_bits: 24 is not one of 0, 16, 32"),
        (["llama-3-8b", "--group-size", "32"], 4, "group_size: has no effect with per_token scales"),
        (["llama-3-8b", "--bits", "16", "--scales", "per_channel"], 2, "--scales: has no effect on caches of 16 bits"),
        (["llama-3-8b", "--weight-bits", "4"], 4, "weight_bits: has no effect without weights_in"),
        (["no-such-folder/config.json"], 4, "no-such-folder"),
    ],
)
def test_bad_input_is_refused_with_one_message(arguments: list[str], code: int, message: str) -> None:
    outcome = run_pimsim("kv", *arguments)
    assert_refused(outcome, code)
    assert message in outcome.err
