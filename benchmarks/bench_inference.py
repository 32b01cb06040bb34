"""Wall time of a decoder's forward pass through arrays, compared with its array multiplications alone.

    python benchmarks/bench_inference.py --rounds 7

The networks are the shipped one, and two with random ternary weights: a small BitNet, and one layer with the shape of
OPT-6.7B. Each cell has its own conductance (5 % variation), as in the evaluation of trained networks. A round is a
forward pass in which each call of `ProgrammedMatrix.multiply` is timed, followed by the same calls with the same
activations alone. "ratio" is the time of the whole pass over that of the calls alone. "inside" is the time of the whole
pass over that of the calls within it; it shows the work outside the calls even if other processes are running.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measuring import Times, print_circumstances, print_table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pimsim import load_config
from pimsim.inference import ArrayProjector, Decoder, KeyValueCache, Site
from tests.support.networks import network_of, random_network
from workloads.checkpoint import load_network
from workloads.models import find_model
from workloads.shipped import network_folder

PROMPTS = {"shipped": ((64, 192), 16), "small": ((64, 256), 16), "layer": ((64,), 4)}
"""Prompt lengths in tokens, and number of decode steps after the prompt."""
SETTINGS = (
    "noise.variation.lrs.sigma=0.05",
    "noise.variation.hrs.sigma=0.05",
    "noise.read={lrs: 0, hrs: 0}",
    "wires.model=none",
    "array.rows_at_once=256",
    "adc.bits=8",
)


class Timed:
    """Projector that records the arguments of each multiplication and the total time."""

    def __init__(self, arrays: ArrayProjector) -> None:
        self.arrays = arrays
        self.activation_bits = arrays.activation_bits
        self.seconds = 0.0
        self.calls: list[tuple[Site, np.ndarray, int]] = []

    def project(self, site: Site, x: np.ndarray, first_vector: int) -> np.ndarray:
        self.calls.append((site, x, first_vector))
        matrix, threads = self.arrays.matrix(site), self.arrays.threads
        start = time.perf_counter()
        result = matrix.multiply(x, first_vector=first_vector, threads=threads)
        self.seconds += time.perf_counter() - start
        return result

    def alone(self) -> float:
        """Repeat all recorded multiplications and return their time in seconds."""
        start = time.perf_counter()
        for site, x, first_vector in self.calls:
            self.arrays.matrix(site).multiply(x, first_vector=first_vector, threads=self.arrays.threads)
        return time.perf_counter() - start

    def clear(self) -> None:
        self.seconds = 0.0
        self.calls.clear()


def measure(decoder: Decoder, timed: Timed, work: Callable[[KeyValueCache], int], context: int, rounds: int) -> list:
    tokens = np.random.default_rng(1).integers(0, decoder.network.spec.vocab, max(context, 1))
    whole, inside, alone = [], [], []
    done = 0
    for _ in range(rounds + 1):
        cache = decoder.cache()
        if context:
            decoder.prefill(tokens, cache)
        timed.clear()
        start = time.perf_counter()
        done = work(cache)
        whole.append(time.perf_counter() - start)
        inside.append(timed.seconds)
        alone.append(timed.alone())
    del whole[0], inside[0], alone[0]  # the first round compiles kernels and fills caches
    passes, calls, kernels = Times(tuple(whole)), Times(tuple(alone)), Times(tuple(inside))
    rate = f"{done / passes.median:.0f}"
    return [rate, passes, calls, f"{passes.median / calls.median:.2f}", f"{passes.median / kernels.median:.2f}"]


def cases(decoder: Decoder, steps: int, prompts: tuple[int, ...]) -> list[tuple[str, int, Callable]]:
    rng = np.random.default_rng(0)

    def prompt(length: int) -> Callable[[KeyValueCache], int]:
        tokens = rng.integers(0, decoder.network.spec.vocab, length)
        return lambda cache: len(decoder.logits(tokens, cache))

    def decode(cache: KeyValueCache) -> int:
        for token in rng.integers(0, decoder.network.spec.vocab, steps):
            decoder.step(int(token), cache)
        return steps

    return [(f"logits of {length}", 0, prompt(length)) for length in prompts] + [
        (f"{steps} steps after {context}", context, decode) for context in (64, 256) if context in prompts
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=("shipped", "small", "layer"))
    parser.add_argument("--vocab", type=int, default=1024)
    options = parser.parse_args()
    print_circumstances("numpy", "numba")
    crossbar = load_config("pim-llm", [f"machine.crossbar.pair.{setting}" for setting in SETTINGS]).machine.crossbar
    assert crossbar is not None
    from dataclasses import replace

    layer = replace(find_model("opt-6.7b"), layers=1, vocab=options.vocab)
    networks = {
        "shipped": lambda: load_network(network_folder()).network,
        "small": lambda: random_network(
            "bitnet", layers=4, heads=4, kv_heads=4, d_head=64, d_model=256, d_ff=704, vocab=options.vocab
        ),
        "layer": lambda: network_of(layer, biases=True),
    }
    rows = []
    for name, make in networks.items():
        if options.only not in (None, name):
            continue
        network = make()
        for threads in (1, 2):
            timed = Timed(ArrayProjector(network, crossbar.pair, threads=threads))
            decoder = Decoder(network, timed)
            prompts, steps = PROMPTS[name]
            for what, context, work in cases(decoder, steps, prompts):
                rows.append((name, threads, what, *measure(decoder, timed, work, context, options.rounds)))
    head = ("network", "threads", "what", "tokens/s", "forward passes", "multiplications alone", "ratio", "inside")
    print_table(head, rows)


if __name__ == "__main__":
    main()
