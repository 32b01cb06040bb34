"""Read the exported folder with transformers and tokenizers, and compare with what was trained.

    python -m training.check ../workloads/data/kjv-bitnet --logits ../tests/data/kjv-bitnet-logits.npz    # from docs/

Fails if the held-out perplexity is not that of training.json. `--logits` keeps what transformers computes for two short
texts: a fixture for other implementations.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoModelForCausalLM

from tools.training import text
from tools.training.evaluation import losses, windows

TEXTS = ("\nIn the beginning God created the heaven and", "\nThe LORD is my shepherd; I shall not want.\nHe maketh me")
"""Each starts a chapter."""


def held_out_perplexity(logits: Any, folder: Path, tokenizer: Tokenizer, length: int) -> float:
    """Per character of `held-out.txt`, from the files alone."""
    content = (folder / "held-out.txt").read_text(encoding="utf-8")
    chapters = [chapter.rstrip("\n") + "\n" for chapter in content.split("\n\n")]
    ids = [np.array(tokenizer.encode(chapter.removeprefix("\n")).ids, np.int64) for chapter in chapters]
    return losses(logits, windows(ids, length, tokenizer.token_to_id(text.BOUNDARY))).perplexity


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--logits", type=Path, help="an .npz file to write")
    told = parser.parse_args()
    model = AutoModelForCausalLM.from_pretrained(told.folder, dtype=torch.float32)
    tokenizer = Tokenizer.from_file(str(told.folder / "tokenizer.json"))

    def logits(ids: Tensor) -> Tensor:
        result: Tensor = model(ids, use_cache=False).logits
        return result

    for each in TEXTS:
        assert tokenizer.decode(tokenizer.encode(each).ids) == each
    if told.logits:
        encoded = [np.array(tokenizer.encode(each).ids, np.int64) for each in TEXTS]
        with torch.inference_mode():
            made = {f"logits_{n}": logits(torch.from_numpy(ids)[None])[0].numpy() for n, ids in enumerate(encoded)}
        told.logits.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(told.logits, **{f"ids_{n}": ids for n, ids in enumerate(encoded)}, **made)
    numbers = json.loads((told.folder / "training.json").read_text(encoding="utf-8"))
    ours = numbers["held_out_per_character"]["model"]["value"]
    theirs = held_out_perplexity(logits, told.folder, tokenizer, model.config.max_position_embeddings)
    print(f"{type(model).__name__}: {theirs:.4f}, training.json: {ours:.4f}")
    if not math.isclose(ours, theirs, rel_tol=1e-3):
        raise SystemExit("they differ")


if __name__ == "__main__":
    main()
