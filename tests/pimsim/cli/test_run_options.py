"""`pimsim run`: options of the workload, and options that have no effect or contradict each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command_line import assert_refused, pimsim

MODEL = ("--model", "gpt2-small")
TRACE = ("--trace", "gpt2-medium-decode-128")


def test_options_of_the_workload_equal_their_overrides() -> None:
    short = pimsim("run", "pim-llm", *MODEL, "--phase", "prefill", "--prompt", "16", "--batch", "2", "--json").ok
    keys = {"model": "gpt2-small", "phase": "prefill", "prompt_length": 16, "batch": 2}
    settings = [f"--set=workload.{key}={value}" for key, value in keys.items()]
    assert json.loads(short) == json.loads(pimsim("run", "pim-llm", *settings, "--json").ok)
    assert pimsim("run", "pim-llm", *MODEL, "--phase", "generate", "--prompt", "8", "--output", "2").ok.startswith(
        "pim-llm: gpt2-small, generate 2 tokens after a prompt of 8"
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((*TRACE, *MODEL), "workload.model: has no effect here: workload.trace gives the ops"),
        ((*TRACE, "--context", "64"), "workload.context_length: has no effect"),
        ((*TRACE, "--batch", "2"), "workload.batch: has no effect"),
        ((*TRACE, "--phase", "prefill"), "workload.phase: has no effect"),
        (
            ("--phase", "prefill", "--context", "64"),
            "workload.context_length: has no effect here: workload.phase=prefill",
        ),
        (("--phase", "generate", "--context", "64"), "workload.context_length: has no effect"),
        (("--prompt", "64"), "workload.prompt_length: has no effect here: workload.phase=decode"),
        (("--output", "64"), "workload.new_tokens: has no effect"),
        (("--set", "workload.samples=8"), "workload.samples: has no effect"),
        (("--set", "machine.crossbar.banks=8"), "mapping.provisioning=per_layer gives each placement group"),
        (("--batch", "0"), "workload.batch: 0 is out of range; must be >= 1 and <= 65536  (--batch 0)"),
        (("--phase", "generate", "--output", "0"), "must be >= 1 and <= 1048576  (--output 0)"),
        (("--context", "128", "--set", "workload.context_length=256"), "is given twice"),
        (("--set", "workload.batch=1", "--set", "workload.batch=2"), "is given twice"),
        (
            ("--set=machine.crossbar.pair.array.columns_per_adc=8", "--set=machine.crossbar.pair.array.adcs=8"),
            "columns_per_adc gives the number of ADCs",
        ),
    ],
)
def test_what_has_no_effect_is_refused(options: tuple[str, ...], told: str) -> None:
    outcome = pimsim("run", "pim-llm", *options)
    assert_refused(outcome, 3)
    assert told in outcome.err


def test_keys_of_a_file_without_effect_are_said_in_the_first_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "extends: pim-llm\nworkload: {model: gpt2-small, samples: 4, context_length: 99}\n", encoding="utf-8"
    )
    shown = pimsim("run", path, "--phase", "prefill", "--prompt", "8", "--set", "serving.max_batch=2", "--json").ok
    beginnings = [note.partition(" here: ")[0] for note in json.loads(shown)["notes"][:3]]
    assert beginnings == [
        "workload.samples has no effect",
        "workload.context_length has no effect",
        "serving.max_batch changes no figure",
    ]
    assert "(mine.yaml:2)" in json.loads(shown)["notes"][0]


def test_files_that_are_written_are_named(tmp_path: Path) -> None:
    ops, whole = tmp_path / "ops.csv", tmp_path / "run.h5"
    shown = pimsim("run", "pim-llm", *MODEL, "--csv", ops, "--out", whole).ok
    assert shown.endswith(
        f"{ops} written: the table of ops\n{whole} written: the whole result; show it with pimsim show\n"
    )
    assert json.loads(pimsim("run", "pim-llm", *MODEL, "--csv", ops, "--json").ok)["summary"]


def test_plots_refuse_the_name_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.touch()
    for name in (file, tmp_path / "plot.png"):
        outcome = pimsim("run", "no-such-config", "--plots", name)
        assert_refused(outcome, 2)
        assert "--plots takes a folder" in outcome.err
    assert list(tmp_path.iterdir()) == [file]


def test_another_file_given_as_a_trace_is_named() -> None:
    outcome = pimsim("run", "pim-llm", "--trace", "configs/pim-llm.yaml")
    assert_refused(outcome, 4)
    assert "is a config" in outcome.err or "no such file" in outcome.err


def test_a_name_of_no_model_may_be_a_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    by_name, by_path, by_key = (
        json.loads(pimsim("run", "pim-llm", option, f"{key}{folder.name}", "--json").ok)["summary"]
        for option, key in (("--model", ""), ("--model", "./"), ("--set", "workload.model="))
    )
    assert by_name == by_path == by_key
    monkeypatch.chdir(tmp_path)
    assert "unknown model 'tiny'" in pimsim("run", "pim-llm", "--model", "tiny").err


ADC = "machine.crossbar.pair.adc"


def test_a_loop_over_a_number_passes_the_value_at_which_another_key_has_no_effect() -> None:
    """`for bits in 4 6 8` stopped at 6, the design's own resolution, and with the config's own figures there."""
    fitted = ("pim-llm-published", *MODEL)
    energies = []
    for bits in (4, 6, 8):
        shown = json.loads(
            pimsim("run", *fitted, "--set", f"{ADC}.series=mnsim", "--set", f"{ADC}.bits={bits}", "--json").ok
        )
        told = any(note.startswith(f"{ADC}.series has no effect here: {ADC}.energy_bits") for note in shown["notes"])
        assert told == (bits == 6)
        energies.append(shown["summary"]["energy_j"])
    assert energies[0] < energies[1] < energies[2]
    assert energies[1] == json.loads(pimsim("run", *fitted, "--json").ok)["summary"]["energy_j"]
    assert_refused(pimsim("run", *fitted, "--set", f"{ADC}.series=mnsim"), 3)  # alone, it is a mistake


def test_a_value_that_is_there_already_is_a_note() -> None:
    banks = "machine.crossbar.banks"
    shown = json.loads(pimsim("run", "pim-llm", *MODEL, "--set", f"{banks}=1", "--json").ok)
    assert any(note.startswith(f"{banks} has no effect here") for note in shown["notes"])
    assert_refused(pimsim("run", "pim-llm", *MODEL, "--set", f"{banks}=2"), 3)
    assert_refused(pimsim("run", "pim-llm", *MODEL, "--prompt", "128"), 3)  # an option stands for a wish
