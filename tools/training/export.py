"""Export the model of a training run, evaluate it on the held-out chapters, and write the results into its folder.

    python -m tools.training.export RUN workloads/data/kjv-bitnet

The command runs in the root of the repository; RUN is the folder of `tools.training.train` or `tools.training.tune`.
All results are written to training.json, and a table of them between the markers in README.md. `--no-texts` leaves out
the held-out and the calibration text, which are those of kjv-bitnet.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from crossbar.intervals import Interval
from tools.training import packing, text
from tools.training.evaluation import losses, windows
from tools.training.intervals import Losses, perplexity, ratio, rounded
from tools.training.kneser_ney import KneserNey
from tools.training.model import BitLinear, BitNet, Quantised, Shape, ternary
from tools.training.train import alphabet_of

BASELINE_ORDER = 5
"""Order of the n-gram model that is the baseline."""
LONGER_ORDERS = (6, 8, 10)
"""Orders of further n-gram models, which benefit from the many repetitions in this text."""
PACKAGES = ("numpy", "safetensors", "tokenizers", "torch", "transformers")

_TABLE = re.compile(r"(<!-- generated: numbers\b[^\n]*-->\n).*?(<!-- end: numbers -->)", re.S)


def loaded(run: Path) -> tuple[BitNet, dict[str, Any]]:
    """Return the model of the checkpoint in a run's folder, and the checkpoint."""
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    model = BitNet(Shape(**state["shape"]))
    model.load_state_dict(state["model"])
    return model, state


def model_losses(model: BitNet, corpus: text.Corpus, alphabet: text.Alphabet) -> dict[Quantised, Losses]:
    """Return the losses on the held-out chapters for each level of quantisation."""
    chapters = [alphabet.encode(chapter.text) for chapter in corpus.held_out]
    boundary = int(alphabet.encode(text.BOUNDARY)[0])
    read = windows(chapters, model.shape.max_position_embeddings, boundary)
    return {level: losses(lambda ids, level=level: model(ids, level), read) for level in Quantised if level}


def baseline_losses(order: int, corpus: text.Corpus, alphabet: text.Alphabet) -> Losses:
    """Return the losses on the held-out chapters of the Kneser-Ney model of the training text with this order."""
    training = [alphabet.encode(chapter.text) for chapter in corpus.training]
    boundary = int(alphabet.encode(text.BOUNDARY)[0])
    model = KneserNey(training, len(alphabet), order, boundary)
    held_out = [alphabet.encode(chapter.text) for chapter in corpus.held_out]
    nats = [-np.log(model.probabilities(chapter)).sum() for chapter in held_out]
    return Losses(np.array(nats), np.array([len(chapter) for chapter in held_out]))


def measured(model: BitNet, corpus: text.Corpus, alphabet: text.Alphabet) -> dict[str, dict[str, float]]:
    """Return perplexities per character and their ratios, with confidence intervals, by name."""
    ours = model_losses(model, corpus, alphabet)
    baselines = {order: baseline_losses(order, corpus, alphabet) for order in (BASELINE_ORDER, *LONGER_ORDERS)}
    ternary_model, baseline = ours[Quantised.PROJECTIONS], baselines[BASELINE_ORDER]
    intervals: dict[str, Interval] = {
        "model": perplexity(ternary_model),
        "model, activations not quantised": perplexity(ours[Quantised.WEIGHTS]),
        "model, attention of 8 bits": perplexity(ours[Quantised.EVERYTHING]),
        **{f"Kneser-Ney {order}-gram": perplexity(its) for order, its in baselines.items()},
        f"ratio to the {BASELINE_ORDER}-gram": ratio(ternary_model, baseline),
        f"ratio to the {BASELINE_ORDER}-gram, attention of 8 bits": ratio(ours[Quantised.EVERYTHING], baseline),
        f"ratio to the {max(LONGER_ORDERS)}-gram": ratio(ternary_model, baselines[max(LONGER_ORDERS)]),
    }
    return {name: rounded(interval) for name, interval in intervals.items()}


def zeros(model: BitNet) -> float:
    """Return the fraction of ternary weights that are 0."""
    weights = [ternary(each.weight.detach()) for each in model.modules() if isinstance(each, BitLinear)]
    return sum(float((each == 0).sum()) for each in weights) / sum(each.numel() for each in weights)


def record(model: BitNet, state: dict[str, Any], corpus: text.Corpus, alphabet: text.Alphabet) -> dict[str, Any]:
    """Return the content of `training.json`."""
    plan = state["plan"]
    subsets = {"training": corpus.training, "validation": corpus.validation, "held_out": corpus.held_out}
    matrices = [module.weight for module in model.modules() if isinstance(module, BitLinear)]
    return {
        "held_out_per_character": measured(model, corpus, alphabet),
        "characters": {name: sum(len(chapter.text) for chapter in subset) for name, subset in subsets.items()},
        "chapters": {name: len(subset) for name, subset in subsets.items()},
        "held_out_chapters": [chapter.name for chapter in corpus.held_out],
        "shape": asdict(model.shape),
        "ternary_weights": sum(matrix.numel() for matrix in matrices),
        "zeros": round(zeros(model), 4),
        "plan": plan,
        "steps_done": state["step"],
        "characters_read": state["step"] * plan["batch"] * model.shape.max_position_embeddings,
        **({"minutes": round(state["seconds"] / 60, 1)} if "seconds" in state else {}),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def summary(made: dict[str, Any]) -> str:
    """Return the table for README.md, and a line about the length of the run."""
    numbers: dict[str, dict[str, float]] = made["held_out_per_character"]
    lines = ["| held-out text, per character | perplexity | 95 % interval |", "| --- | ---: | ---: |"]
    lines += [
        f"| {name} | {its['value']:.4f} | {its['low']:.4f} to {its['high']:.4f} |" for name, its in numbers.items()
    ]
    millions = made["characters_read"] / 1e6
    run = f"{made['steps_done']:,} steps, {millions:.1f} million characters"
    run += f", {made['minutes']} minutes" if "minutes" in made else ""
    return "\n".join([*lines, "", f"The run: {run}; {made['zeros']:.0%} of the ternary weights are 0."])


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the checkpoint")
    parser.add_argument("folder", type=Path, help="folder that receives the model")
    parser.add_argument("--no-texts", action="store_true", help="do not write the texts")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    corpus = text.split(text.chapters_of(text.bible()))
    alphabet = alphabet_of(corpus)
    model, state = loaded(options.run)
    packing.write(model, None if options.no_texts else corpus, alphabet, options.folder)
    numbers = record(model, state, corpus, alphabet)
    packing.write_json(options.folder / "training.json", numbers)
    print(json.dumps(numbers["held_out_per_character"], indent=2))
    readme = options.folder / "README.md"
    if readme.exists():
        made = summary(numbers)
        changed = _TABLE.sub(lambda match: f"{match[1]}\n{made}\n\n{match[2]}", readme.read_text(encoding="utf-8"))
        readme.write_text(changed, encoding="utf-8")


if __name__ == "__main__":
    main()
