"""Evaluation layer by layer: the bits of the whole model in memory, for several families, killed and resumed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pimsim import AccuracyResult, evaluate_accuracy, load_config
from pimsim.base.errors import OutputError, WorkloadInputError
from pimsim.config.schema import Config
from pimsim.studies.accuracy import streaming
from pimsim.studies.accuracy.stream_state import STATE
from pimsim.studies.accuracy.streaming import StreamInterrupted
from tests.support.gguf_files import grouped_file
from tests.support.tiny_checkpoints import HEADS, LAYERS, tensors_of, write_safetensors
from tests.support.tiny_models import IDEAL, LETTERS, NO_WIRES, PAIR, TEXT, settings, tiny_model

TRANSFORMERS = Path(__file__).parents[3] / "data" / "transformers"
EXACT_SOFTMAX = "machine.vector.softmax=exact"


def config_of(folder: Path, *more: str, chips: int = 2) -> Config:
    return load_config("pim-llm", [*settings(folder, chips=chips), *more])


def streamed(config: Config, folder: Path) -> AccuracyResult:
    return evaluate_accuracy(config, threads=1, stream=folder)


def beside_text(folder: Path) -> Path:
    """The folder of a tiny checkpoint of transformers with a tokenizer and texts."""
    model = tiny_model(folder)
    for path in (TRANSFORMERS / "deepseek_v2").iterdir():
        shutil.copy(path, model / path.name)
    return model


def with_consmax(folder: Path) -> Path:
    model, random, tensors = tiny_model(folder, "1bitllm"), np.random.default_rng(0), tensors_of("1bitllm")
    for layer in range(LAYERS):
        module = f"model.layers.{layer}.self_attn.consmax"
        tensors[f"{module}.beta"] = random.standard_normal(HEADS).astype(np.float32)
        tensors[f"{module}.gamma"] = random.uniform(2, 20, HEADS).astype(np.float32)
    write_safetensors(model / "model.safetensors", tensors)
    return model


HITTERS = "workload.kv={keep: heavy_hitters, budget: 10, recent: 4}"
FAMILIES: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "bitnet_packed": (tiny_model, [*NO_WIRES[:1], EXACT_SOFTMAX]),  # calibrated ADCs, narrow sums of tiles
    "gpt2": (lambda folder: tiny_model(folder, "gpt2"), [*NO_WIRES[:1], EXACT_SOFTMAX]),  # another float model
    "opt": (lambda folder: tiny_model(folder, "opt"), [*NO_WIRES, f"{PAIR}.adc.range=full"]),  # without calibration
    "consmax": (with_consmax, [*NO_WIRES[:1], "machine.vector.softmax=consmax"]),
    "heavy_hitters": (lambda folder: tiny_model(folder, "qwen2"), [*NO_WIRES, HITTERS]),
    "deepseek_v2": (beside_text, NO_WIRES),  # experts and latents
}


@pytest.mark.parametrize("family", FAMILIES)
def test_it_has_the_bits_of_the_whole_model(family: str, tmp_path: Path) -> None:
    make, more = FAMILIES[family]
    config = config_of(make(tmp_path / "model"), *more)
    assert streamed(config, tmp_path / "state") == evaluate_accuracy(config, threads=1)


def test_groups_of_a_gguf_file_have_the_bits_of_the_whole_model(tmp_path: Path) -> None:
    tokens = sorted({*"".join(LETTERS).replace(" ", "\u0120").replace("\n", "\u010a"), "in"})
    (tmp_path / "text.txt").write_text("in the beginning" * 6, encoding="utf-8")
    names = {"model": grouped_file(tmp_path, "Q4_1", tokens), "text": tmp_path / "text.txt"}
    given = [f"accuracy.{name}={json.dumps(str(path))}" for name, path in names.items()]
    given += [f"accuracy.calibration={json.dumps(str(tmp_path / 'text.txt'))}", "accuracy.weights=groups"]
    given += ["accuracy.chips=1", "accuracy.tokens=40", f"{PAIR}.array.rows_at_once=32"]
    config = load_config("pim-llm", [*given, *NO_WIRES, f"{PAIR}.encoding.weights=int8"])
    assert streamed(config, tmp_path / "state") == evaluate_accuracy(config, threads=1)


def test_ideal_arrays_are_the_exact_model(folder: Path, tmp_path: Path) -> None:
    result = streamed(config_of(folder, *IDEAL), tmp_path)
    for chip in result.chips:
        assert chip.window_nll == tuple(window.exact_nll for window in result.windows)


def test_an_lm_head_in_parts_has_the_same_bits(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(folder, *NO_WIRES, "accuracy.tokens=41")  # references of other tests stay in memory
    whole = streamed(config, tmp_path / "whole")
    monkeypatch.setattr("workloads.streamed_network.ROWS", 7)
    monkeypatch.setattr("pimsim.studies.accuracy.measures.CHUNK", 40 * 3)  # three tokens of 40 logits
    monkeypatch.setattr(streaming, "MAX_LOGITS", 40 * 3 * 4 * 2)  # six tokens of four models
    parts = streamed(config, tmp_path / "parts")
    assert parts == evaluate_accuracy(config, threads=1)
    assert parts.layers == whole.layers


def interrupted(config: Config, folder: Path, monkeypatch: pytest.MonkeyPatch) -> StreamInterrupted:
    """Press Ctrl-C in the second layer."""
    inside = streaming.StreamedEvaluation._chip_layer

    def press(self: streaming.StreamedEvaluation, *given: object) -> None:
        if given[1].first_layer == 1:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        inside(self, *given)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(streaming.StreamedEvaluation, "_chip_layer", press)
        with pytest.raises(StreamInterrupted) as stopped:
            streamed(config, folder)
    return stopped.value


def test_it_continues_after_an_interruption(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, steps = config_of(folder, *NO_WIRES), list[tuple[int, int]]()
    stopped = interrupted(config, tmp_path, monkeypatch)
    assert (stopped.layers, stopped.of) == (1, 2)
    (tmp_path / ".pimsim-0.partial").write_bytes(b"of a process that was killed")
    resumed = evaluate_accuracy(config, threads=1, stream=tmp_path, progress=lambda *step: steps.append(step))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert resumed == evaluate_accuracy(config, threads=1)
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {STATE, "pimsim-stream-0002.bin", "pimsim-stream.lock"}
    assert streamed(config, tmp_path) == resumed  # the LM head alone


def test_a_state_that_is_damaged_or_of_another_evaluation_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, state = tiny_model(tmp_path / "model"), tmp_path / "state"
    config = config_of(folder, *NO_WIRES)
    interrupted(config, state, monkeypatch)
    kept = {path: path.read_bytes() for path in state.iterdir()}

    def refused(other: Config = config, seed: int = 0) -> str:
        with pytest.raises(WorkloadInputError) as error:
            evaluate_accuracy(other, threads=1, seed=seed, stream=state)
        assert str(error.value).endswith("; use another folder, or delete this one to begin again")
        return str(error.value)

    assert "belongs to another evaluation: seed is 0 there and 1 here" in refused(seed=1)
    assert "accuracy.chips is 2 there and 3 here" in refused(config_of(folder, *NO_WIRES, chips=3))
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-4] + bytes(4))
    assert "checksum of the model is" in refused()
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "text.txt").write_text("a" * 200, encoding="utf-8")
    assert "tokens of the text is" in refused()
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr("pimsim.studies.accuracy.stream_state.__version__", "0.0")
        assert "version of pimsim is " in refused()
    text, data = state / STATE, state / "pimsim-stream-0001.bin"
    for path, damage, why in (
        (text, kept[text].replace(b'"writes": ', b'"writes": 1'), "it is damaged (another checksum)"),
        (text, kept[text][:-9], "not valid JSON"),
        (text, b"[]", "it is not a state file of pimsim accuracy --stream"),
        (data, kept[data][:-4], "pimsim-stream-0001.bin is damaged"),
        (data, bytes(len(kept[data])), "pimsim-stream-0001.bin is damaged"),
    ):
        path.write_bytes(damage)
        assert why in refused()
        path.write_bytes(kept[path])
    data.unlink()
    assert "cannot be read (No such file" in refused()
    data.write_bytes(kept[data])
    assert {path: path.read_bytes() for path in state.iterdir()} == kept  # nothing lost
    assert streamed(config, state) == evaluate_accuracy(config, threads=1)


def test_a_folder_has_one_evaluation_at_a_time(folder: Path, tmp_path: Path) -> None:
    config = config_of(folder, *NO_WIRES)

    def again(done: int, of: int) -> None:
        with pytest.raises(WorkloadInputError, match="is used by another evaluation"):
            streamed(config, tmp_path / "state")

    evaluate_accuracy(config, threads=1, stream=tmp_path / "state", progress=again)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot be made"):
        streamed(config, tmp_path / "file")


def test_codebooks_of_all_layers_are_refused(folder: Path, tmp_path: Path) -> None:
    config = load_config("hardsea", [*settings(folder), *NO_WIRES[:1], EXACT_SOFTMAX])
    with pytest.raises(WorkloadInputError, match="without --stream"):
        streamed(config, tmp_path)
