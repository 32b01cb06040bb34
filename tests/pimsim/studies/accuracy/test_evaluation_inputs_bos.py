"""Windows of `accuracy` begin with the BOS token that the tokenizer adds to a text, unless the config forbids it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pimsim import load_config
from pimsim.config.schema import Config
from pimsim.inference import Decoder
from pimsim.studies.accuracy.evaluation import formats_of
from pimsim.studies.accuracy.evaluation_inputs import Inputs, read_inputs
from pimsim.studies.accuracy.measures import nll
from pimsim.studies.accuracy.reference import Reference, compute_reference
from tests.support import tiny_checkpoints as tiny

BOS = 39
LETTERS = "abcdefgh"
TEXT = "abacabadabacabaeabacabadabacabafabacabadabacabaeabacabadabacabag"


def template(*ids: int, eos: bool = False) -> dict[str, Any]:
    """Return a template that adds tokens before a text, and an EOS token after it."""
    before = [{"SpecialToken": {"id": f"<{number}>", "type_id": 0}} for number in ids]
    after = [{"SpecialToken": {"id": "<38>", "type_id": 0}}] if eos else []
    named = {f"<{number}>": {"id": f"<{number}>", "ids": [number], "tokens": [f"<{number}>"]} for number in (*ids, 38)}
    single = [*before, {"Sequence": {"id": "A", "type_id": 0}}, *after]
    return {"type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": named}


def inputs(tmp_path: Path, processor: dict[str, Any] | None, **settings: Any) -> tuple[Config, Inputs]:
    home = tmp_path / "model"
    home.mkdir(exist_ok=True)
    tiny.write_checkpoint(home, "bitnet")
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    tokenizer = {
        "version": "1.0",
        "added_tokens": [{"id": number, "content": f"<{number}>", "special": True, **plain} for number in (38, BOS)],
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": ""}, "behavior": "Isolated", "invert": False},
        "post_processor": processor,
        "model": {"type": "WordLevel", "vocab": {letter: n for n, letter in enumerate(LETTERS)}, "unk_token": "a"},
    }
    (home / "tokenizer.json").write_text(json.dumps(tokenizer))
    for name in ("text", "calibration"):
        (tmp_path / name).write_text(TEXT)
        settings[name] = str(tmp_path / name)
    settings |= {"model": str(home), "tokens": 40}
    config = load_config("pim-llm", [f"accuracy.{key}={json.dumps(value)}" for key, value in settings.items()])
    return config, read_inputs(config.accuracy, "ternary")


@pytest.mark.parametrize("eos", [False, True])
def test_each_window_begins_with_the_bos_token(eos: bool, tmp_path: Path) -> None:
    config, found = inputs(tmp_path, template(BOS, eos=eos))
    assert found.prefix.tolist() == [BOS]  # and no EOS
    assert {window.length for window in found.windows} == {tiny.POSITIONS - 1}  # BOS takes one of the positions
    assert any(f"each window begins with token {BOS}," in text for text in found.warnings)
    reference = compute_reference(found, formats_of(config), lambda: None)
    floats = Decoder(found.float_network, None)
    for window, likelihood in zip(found.windows, reference.float_nll, strict=True):
        ids = found.text.ids[window.start : window.start + window.length + 1]
        logits = floats.logits([BOS, *ids[:-1]])[1:]
        assert likelihood == nll(logits, ids[1:])
    assert all(len(logits) == window.length for logits, window in zip(reference.logits, found.windows, strict=True))


def test_the_calibration_sees_the_bos_token_too(tmp_path: Path) -> None:
    config, found = inputs(tmp_path, template(BOS))
    seen: list[list[int]] = []

    class Watched(Decoder):
        def logits(self, tokens: Any, cache: Any = None) -> Any:
            seen.append(list(tokens))
            return super().logits(tokens, cache)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pimsim.studies.accuracy.reference.Decoder", Watched)
        compute_reference(found, formats_of(config), lambda: None)
    assert len(seen) > 2 * len(found.windows)
    assert all(ids[0] == BOS and len(ids) <= tiny.POSITIONS for ids in seen)


@pytest.mark.parametrize(
    ("processor", "settings"), [(None, {}), (template(BOS), {"bos": False}), (template(eos=True), {})]
)
def test_windows_without_a_bos_token(
    processor: dict[str, Any] | None, settings: dict[str, Any], tmp_path: Path
) -> None:
    config, found = inputs(tmp_path, processor, **settings)
    assert found.prefix.tolist() == []
    assert {window.length for window in found.windows} == {tiny.POSITIONS}
    assert any("windows begin without token" in text for text in found.warnings) is bool(settings)
    reference = Reference(found, formats_of(config), (), (), (), (), {})
    decoder, window = Decoder(found.float_network, None), found.windows[0]
    expected = decoder.logits(reference.tokens(window))
    np.testing.assert_array_equal(reference.logits_of(decoder, window), expected)
