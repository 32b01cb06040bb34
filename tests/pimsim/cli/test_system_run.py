"""`pimsim run` of a system file: tables, JSON, files, and options that a system does not have."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.support.command_line import assert_refused, pimsim

FILE = """\
name: pair
split: attention
machines: {attention: tpu-llm, projections: pim-llm}
link: pcie5-x16
workload: {model: gpt2-small, context_length: 64, prompt_length: 16, new_tokens: 3}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "system.yaml"
    file.write_text(FILE)
    return file


def test_a_decode_step_is_shown_with_its_link_and_its_machines_alone(path: Path, tmp_path: Path) -> None:
    rows, timeline = tmp_path / "ops.csv", tmp_path / "timeline.json"
    text = pimsim("run", path, "--explain", "--csv", rows, "--timeline", timeline).ok
    assert "pair: attention on tpu-llm and projections on pim-llm, gpt2-small, decode at context 64" in text
    assert "36,864 bytes" in text  # 12 layers x 4 vectors x 768 bytes
    assert "projections (pim-llm) alone" in text
    assert "link.to_attention" in text
    with rows.open() as file:
        assert "attended_quantise.to_projections" in {row["op"] for row in csv.DictReader(file)}
    assert "link.to_attention" in timeline.read_text()


def test_json_has_the_system_the_link_and_the_comparison(path: Path) -> None:
    shown = json.loads(pimsim("run", path, "--phase", "generate", "--json").ok)
    assert shown["link"]["bytes"] == 12 * 4 * 768 * (16 + 2)
    assert [each["role"] for each in shown["alone"]] == ["attention", "projections"]
    assert shown["system"]["machines"]["attention"]["name"] == "tpu-llm"
    assert shown["summary"]["new_tokens"] == 3
    assert set(shown["energy_j_by_machine"]) == {"attention", "projections", "link"}


@pytest.mark.parametrize("option", [("--out", "x.h5"), ("--ranges",), ("--plots", "x"), ("--by", "op")])
def test_options_that_a_system_does_not_have_are_refused(path: Path, option: tuple[str, ...]) -> None:
    outcome = pimsim("run", path, *option)
    assert_refused(outcome, 2)
    assert f"{option[0]} is not available for a system of several machines" in outcome.err


def test_other_commands_say_that_the_file_is_a_system(path: Path) -> None:
    outcome = pimsim("config", "show", path)
    assert_refused(outcome, 3)
    assert f"is a system of several machines: use pimsim run {path}" in outcome.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "workload.prompt_length=7"), "workload.prompt_length: has no effect here: workload.phase=decode"),
        (("--phase", "generate", "--context", "7"), "workload.context_length: has no effect here: workload.phase=gen"),
        (("--set", "machines.attention.mapping.vector_chunks=2"), "vector_chunks: has no effect here: mapping.proj"),
        (("--set", "workload.batch=2", "--batch", "3"), "workload.batch: is given twice"),
    ],
)
def test_settings_without_effect_in_any_machine_are_refused(path: Path, options: tuple[str, ...], message: str) -> None:
    outcome = pimsim("run", path, *options)
    assert_refused(outcome, 3)
    assert message in outcome.err
