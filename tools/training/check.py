"""Load the exported folder with transformers and tokenizers, and compare its perplexity with that of the export.

    python -m tools.training.check workloads/data/kjv-bitnet --logits tests/data/kjv-bitnet-logits.npz

The command runs in the root of the repository. It fails if the held-out perplexity differs from that in training.json.
`--logits` writes the logits of transformers for two short texts, as reference values for other implementations.
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
from workloads.shipped import HELD_OUT, shipped_text

TEXTS = ("\nIn the beginning God created the heaven and", "\nThe LORD is my shepherd; I shall not want.\nHe maketh me")
"""Texts for `--logits`; each one starts a chapter."""


def held_out_perplexity(logits: Any, folder: Path, tokenizer: Tokenizer, length: int) -> float:
    """Compute the perplexity on `held-out.txt` of a folder, or that of kjv-bitnet if the folder has none.

    Args:
        logits: Function from ids, [batch, tokens], to logits, [batch, tokens, vocabulary].
        folder: The exported folder.
        tokenizer: Its tokenizer.
        length: Number of positions of the model.

    Returns:
        Perplexity per character.
    """
    own = folder / HELD_OUT
    content = (own if own.exists() else shipped_text(HELD_OUT)).read_text(encoding="utf-8")
    chapters = [chapter.rstrip("\n") + "\n" for chapter in content.split("\n\n")]
    ids = [np.array(tokenizer.encode(chapter.removeprefix("\n")).ids, np.int64) for chapter in chapters]
    return losses(logits, windows(ids, length, tokenizer.token_to_id(text.BOUNDARY))).perplexity


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--logits", type=Path, help="the .npz file to write")
    options = parser.parse_args()
    model = AutoModelForCausalLM.from_pretrained(options.folder, dtype=torch.float32)
    tokenizer = Tokenizer.from_file(str(options.folder / "tokenizer.json"))

    def logits(ids: Tensor) -> Tensor:
        result: Tensor = model(ids, use_cache=False).logits
        return result

    for each in TEXTS:
        assert tokenizer.decode(tokenizer.encode(each).ids) == each
    if options.logits:
        encoded = [np.array(tokenizer.encode(each).ids, np.int64) for each in TEXTS]
        with torch.inference_mode():
            made = {f"logits_{n}": logits(torch.from_numpy(ids)[None])[0].numpy() for n, ids in enumerate(encoded)}
        options.logits.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(options.logits, **{f"ids_{n}": ids for n, ids in enumerate(encoded)}, **made)
    numbers = json.loads((options.folder / "training.json").read_text(encoding="utf-8"))
    exported = numbers["held_out_per_character"]["model"]["value"]
    measured = held_out_perplexity(logits, options.folder, tokenizer, model.config.max_position_embeddings)
    print(f"{type(model).__name__}: {measured:.4f}, training.json: {exported:.4f}")
    if not math.isclose(exported, measured, rel_tol=1e-3):
        raise SystemExit("the perplexities differ")


if __name__ == "__main__":
    main()
