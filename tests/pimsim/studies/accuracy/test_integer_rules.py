"""`accuracy.weights`: integers of a GGUF file by groups and by columns, and configs that cannot hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pimsim.base.errors import ConfigError, WorkloadInputError
from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from pimsim.studies.accuracy import evaluate_accuracy
from tests.support import gguf_files as gguf
from tests.support.closeness import near

PAIR = "machine.crossbar.pair"
NOISE = "{variation: {lrs: {sigma: 0}, hrs: {sigma: 0}}, read: {lrs: 0, hrs: 0}, faults: {stuck_lrs: 0, stuck_hrs: 0}}"
IDEAL = (f"{PAIR}.wires.model=none", f"{PAIR}.adc={{bits: 12, range: full}}", f"{PAIR}.noise={NOISE}")
GROUPS = ("accuracy.weights=groups", f"{PAIR}.encoding.weights=int5", f"{PAIR}.array.rows_at_once=32")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    library: Any = pytest.importorskip("tokenizers")
    (tmp_path / "text.txt").write_text("in the beginning\n" * 3, encoding="utf-8")
    return gguf.grouped_file(tmp_path, "Q4_1", [*sorted(library.pre_tokenizers.ByteLevel.alphabet()), "in"])


def config_of(file: Path, *settings: str) -> Config:
    text = file.with_name("text.txt")
    own = (f"accuracy.model={file}", f"accuracy.text={text}", f"accuracy.calibration={text}")
    return load_config("pim-llm", [*own, "accuracy.chips=1", "accuracy.tokens=20", *IDEAL, *settings])


def test_groups_on_ideal_arrays_are_the_exact_integer_model(file: Path) -> None:
    result = evaluate_accuracy(config_of(file, *GROUPS), threads=1)
    assert result.perplexity.mean == result.exact_perplexity.mean
    assert result.exact_perplexity.mean == near(result.float_perplexity.mean, rel=0.02)  # 8-bit activations
    assert any("have a minimum for each block" in warning for warning in result.warnings)
    assert result.model == "Q4_1"
    assert result.machine.tokens_per_s > 0


def test_columns_state_their_loss(file: Path) -> None:
    columns = ("accuracy.weights=columns", f"{PAIR}.encoding.weights=int4", "mapping.matrix_precision.ffn_down=int8")
    result = evaluate_accuracy(config_of(file, *columns), threads=1)
    assert result.perplexity.mean == result.exact_perplexity.mean
    assert result.warnings[0].startswith("the weights of 14 matrices were requantised to integers of 4 or 8 bits")


@pytest.mark.parametrize(
    ("settings", "key", "problem"),
    [
        ((*GROUPS[:1], GROUPS[2]), f"{PAIR}.encoding.weights", "need int5 or wider"),
        ((*GROUPS, "mapping.matrix_precision.q=int4"), "mapping.matrix_precision.q", "need int5 or wider"),
        (GROUPS[:2], f"{PAIR}.array.rows_at_once", "must divide the 32 inputs of a group"),
        ((*GROUPS, f"{PAIR}.array.rows=48"), f"{PAIR}.array.rows", "must be a multiple of the 32 inputs"),
        (
            ("accuracy.weights=columns", f"{PAIR}.encoding.weights=int9"),
            f"{PAIR}.encoding.weights",
            "must be ternary or int2 to int8",
        ),
        (
            ("accuracy.weights=columns", f"{PAIR}.encoding.weights=binary"),
            f"{PAIR}.encoding.weights",
            "must be ternary or int2 to int8",
        ),
    ],
)
def test_arrays_that_cannot_hold_the_integers(settings: tuple[str, ...], key: str, problem: str, file: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        evaluate_accuracy(config_of(file, *settings))
    [found] = raised.value.problems
    assert found.path.endswith(key)
    assert problem in found.message


def test_a_checkpoint_without_groups_names_the_key() -> None:
    with pytest.raises(WorkloadInputError, match=r"only GGUF files have.*\(accuracy.weights is groups\)"):
        evaluate_accuracy(load_config("pim-llm", [*GROUPS]))
