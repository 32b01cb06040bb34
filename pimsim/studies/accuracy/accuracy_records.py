"""Records of an accuracy evaluation: by window, chip, projection and layer, and the figures of the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from pimsim.base.stored_columns import Number, Table
from pimsim.results.accounting import Accounting


@dataclass(frozen=True, slots=True)
class WindowAccuracy:
    """Reference likelihoods of one window of the text.

    Attributes:
        start: Position of the window's first token in the text.
        tokens: Number of predicted tokens.
        characters: Number of characters in the predicted tokens.
        float_nll: Negative log likelihood with the float model, summed over the tokens, nats.
        exact_nll: The same with the exact 1-bit model.
    """

    start: int
    tokens: int
    characters: int
    float_nll: Number
    exact_nll: Number


@dataclass(frozen=True, slots=True)
class ChipAccuracy:
    """Accuracy of one chip.

    Attributes:
        seed: Seed of the chip.
        window_nll: Negative log likelihood of each window, summed over its tokens, nats.
        agreement: Fraction of tokens for which chip and exact model have the same most likely next token.
        kl: Kullback-Leibler divergence from the exact model, nats per token.
        logit_snr_db: Signal-to-noise ratio of the logits, each token's mean removed, dB.
        saturated: Fraction of the ADC conversions that were out of range.
        writes: Number of write pulses for programming all matrices.
        write_energy_j: Energy of these writes, joules.
    """

    seed: int
    window_nll: Annotated[tuple[Number, ...], Table("nll", value="nll")]
    agreement: float
    kl: Number
    logit_snr_db: Number
    saturated: float
    writes: int
    write_energy_j: float


@dataclass(frozen=True, slots=True)
class SiteErrors:
    """Errors of one projection's products, compared with exact products of the same activations; all chips together.

    Attributes:
        layer: Number of the layer.
        role: Projection, such as "q" or "ffn_up".
        snr_db: Signal-to-noise ratio of the products, dB.
        saturated: Fraction of the ADC conversions that were out of range.
    """

    layer: int
    role: str
    snr_db: Number
    saturated: float


@dataclass(frozen=True, slots=True)
class LayerErrors:
    """Errors of the residual stream after one layer, compared with the exact model; all chips together.

    Attributes:
        layer: Number of the layer.
        snr_db: Signal-to-noise ratio of the residual stream, dB.
    """

    layer: int
    snr_db: Number


@dataclass(frozen=True, slots=True)
class MachineFigures:
    """Speed, energy and area of the config's machine with the shape of the network as its workload.

    Attributes:
        phase: "decode" or "prefill".
        context_length: Context length of the step, tokens.
        latency_s: Latency of the step, seconds.
        energy_j: Energy of the step, joules.
        tokens_per_s: Throughput, tokens/s.
        tokens_per_j: Energy efficiency, tokens/J.
        gops: Throughput, 10^9 operations/s.
        gops_per_w: Energy efficiency, 10^9 operations/J.
        area_m2: Area of all chips, m^2.
        weight_load_s: Time to load the weights before the first step, seconds.
    """

    phase: str
    context_length: int
    latency_s: Number
    energy_j: Number
    tokens_per_s: Number
    tokens_per_j: Number
    gops: Number
    gops_per_w: Number
    area_m2: Number
    weight_load_s: Number


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """Sizes of the KV cache of one window of the text, when its last token is computed.

    Attributes:
        kv_tokens: Tokens of the window so far.
        kv_kept: Tokens that the cache keeps of them, mean over the layers.
        kv_bytes: Bytes of the cache of all layers, with scales and sums of attention.
        kv_bytes_full: Bytes of a cache of float16 numbers that keeps all tokens of the windows of the model's layers.
    """

    kv_tokens: int
    kv_kept: Number
    kv_bytes: int
    kv_bytes_full: int


class TimedMachine(NamedTuple):
    """Figures of a machine, and what they count and leave out."""

    figures: MachineFigures
    accounting: Accounting
