"""Rows about HARDSEA: its printed figures beside the config `hardsea`, and each assumption that explains a deviation.

A label says what is switched: an assumption of the config, or what of a token counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from math import exp

from pimsim.config.loading import load_config
from pimsim.inference import ExactProjector
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate
from pimsim.studies.accuracy.evaluation import formats_of, inputs_of
from pimsim.studies.accuracy.measures import nll
from pimsim.studies.accuracy.reference import empty_reference
from pimsim.studies.validation.workbench import Makers, from_labels

GPU = "a100-80gb"
MODEL = ("workload.model=gpt2-small", "workload.context_length=1024")
LAYERS = ("workload.lm_head=false", "workload.embedding=false")
WHOLE_CACHE = ("machine.sram_cim.macros=4096",)
FAST = (*WHOLE_CACHE, "machine.sram.ports=null", "machine.vector.lanes=1024")
SWITCHES: Mapping[str, tuple[str, ...]] = {
    "as configured": (),
    "decoder layers": LAYERS,
    "decoder layers, all entries kept": (*LAYERS, "machine.prediction.kept_share=1"),
    "attention": (),
    "attention, 12 % kept": ("machine.prediction.kept_share=0.12",),
    "attention, cache in macros": WHOLE_CACHE,
    "attention, cache in macros, 1,024 lanes, no port": FAST,
    "the same, GPU without fused attention": FAST,
}
"""Settings of `hardsea` by label. The GPU has only what of `LAYERS` is among them, and what `ON_GPU` says."""
ON_GPU: Mapping[str, tuple[str, ...]] = {
    "the same, GPU without fused attention": ("machine.roofline.fused_attention=false",),
}
"""Settings of the GPU by label."""
TOKENS = 256
"""Characters of the held-out text for perplexity: one window."""


@cache
def _run(config: str, *settings: str) -> RunResult:
    return simulate(load_config(config, [*MODEL, *settings]))


def _cost(result: RunResult, label: str) -> tuple[float, float]:
    """Return seconds and joules: of attention if the label says so, otherwise of everything that the run counts."""
    if not label.startswith(("attention", "the same")):
        return result.latency_s, result.energy_j
    (item,) = (each for each in result.accounting.counted if each.name == "attention")
    return item.latency_ps / 1e12, item.energy_j


def _gops(label: str) -> float:
    return _run("hardsea", *SWITCHES[label]).gops


def _gain(figure: int) -> Callable[[str], float]:
    """Return a function from a label to the time (0) or energy (1) of the GPU over that of HARDSEA."""

    def over_gpu(label: str) -> float:
        settings = SWITCHES[label]
        gpu = _run(GPU, *(each for each in settings if each in LAYERS), *ON_GPU.get(label, ()))
        return _cost(gpu, label)[figure] / _cost(_run("hardsea", *settings), label)[figure]

    return over_gpu


def attention_at(share: float) -> tuple[float, float, float]:
    """Return what the attention of a token costs if a share of the entries is kept.

    Args:
        share: The share.

    Returns:
        Seconds, joules, and the fraction of all multiply-accumulates of the token that are computed.
    """
    result = _run("hardsea", f"machine.prediction.kept_share={share}")
    summary = result.summary()
    return *_cost(result, "attention"), summary["computed_macs"] / summary["macs"]


@cache
def _perplexity(*settings: str) -> float:
    """Return the perplexity of the exact model with the shipped network, per character."""
    prediction = (f"machine.prediction.{each}" for each in settings)
    config = load_config("hardsea", [f"accuracy.tokens={TOKENS}", *prediction])
    inputs, formats = inputs_of(config), formats_of(config)
    exact = ExactProjector(inputs.network, formats.activation_bits)
    empty = empty_reference(inputs, formats, exact)
    decoder = empty.decoder(exact)
    nats = sum(nll(empty.logits_of(decoder, window), empty.targets(window)) for window in empty.windows)
    return exp(nats / sum(map(empty.characters, empty.windows)))


CHOICES: Mapping[str, tuple[str, ...]] = {
    "33 % by exact scores": ("kept_share=0.33", "method=exact"),
    "33 % by codes, ADC": ("kept_share=0.33", "readout=adc"),
    "33 % by codes, winner-take-all": ("kept_share=0.33",),
    "12 % by codes, winner-take-all": ("kept_share=0.12",),
}
"""Settings of `machine.prediction` by label."""


def _loss(label: str) -> float:
    return _perplexity(*CHOICES[label]) / _perplexity("kept_share=1")


MAKERS: Makers = {
    "hardsea-throughput": from_labels(_gops),
    "hardsea-speed-up": from_labels(_gain(0)),
    "hardsea-energy": from_labels(_gain(1)),
    "hardsea-quality": from_labels(_loss),
}
