"""A tiny model with a tokenizer of characters, and configs of a few cheap tokens."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.support.tiny_checkpoints import VOCAB, write_checkpoint

LETTERS = "abcdefghijklmnopqrstuvwxyz .,;:!?'\n-()0"[: VOCAB - 1]
TEXT = "".join(random.Random(5).choices(LETTERS, k=480))

PAIR = "machine.crossbar.pair"
WHOLE = ["machine.vector.softmax=exact", "machine.crossbar.output_bits=null"]
"""The softmax, which every network can be computed with, and partial sums of as many bits as they need."""
IDEAL = [
    f"{PAIR}.wires.model=none",
    f"{PAIR}.noise.variation.lrs.sigma=0",
    f"{PAIR}.noise.variation.hrs.sigma=0",
    f"{PAIR}.noise.read={{lrs: 0, hrs: 0}}",
    f"{PAIR}.noise.faults={{stuck_lrs: 0, stuck_hrs: 0}}",
    f"{PAIR}.adc.bits=16",
    f"{PAIR}.adc.range=full",
    *WHOLE,
]
NO_WIRES = [IDEAL[0], *WHOLE]


def tiny_model(folder: Path, family: str = "bitnet_packed", **changes: Any) -> Path:
    """A folder with a checkpoint of random weights and its tokenizer."""
    folder.mkdir(exist_ok=True)
    write_checkpoint(folder, family, **changes)
    vocabulary = {"\ufffd": 0} | {letter: place + 1 for place, letter in enumerate(LETTERS)}
    splitter = {"type": "Split", "pattern": {"Regex": "[\\s\\S]"}, "behavior": "Isolated", "invert": False}
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "\ufffd"}
    tokenizer = {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": splitter, "model": model}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "sample.txt").write_text(TEXT[10:200], encoding="utf-8")
    return folder


def settings(folder: Path, tokens: int = 40, chips: int = 2) -> list[str]:
    """A config's section `accuracy` for such a folder."""
    names = {"model": folder, "text": folder / "text.txt", "calibration": folder / "sample.txt"}
    given = [f"accuracy.{name}={json.dumps(str(path))}" for name, path in names.items()]
    return [*given, f"accuracy.tokens={tokens}", f"accuracy.chips={chips}"]
