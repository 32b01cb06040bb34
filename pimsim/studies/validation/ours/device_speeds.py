"""Rows about GPUs and CPUs: published tokens/s of decode steps and prompts at batch 1, and those of roofline machines.

The label of a value names the config, the model, the format of its software, and the tokens: "at" those in the cache of
a decode step, "of" those of a prompt. All formats but those of 1-bit models compute with 16 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pimsim.config.loading import load_config
from pimsim.simulation import make_trace, simulate_figures
from pimsim.studies.validation.workbench import Makers, from_labels

_HALF = {"mapping.processor_activation_bits": 16, "workload.quantisation": False}
_Q6_K = 6.5625  # bits per weight: 210 bytes for 256 weights
_FORMATS: Mapping[str, Mapping[str, Any]] = {
    "FP16": _HALF | {"mapping.processor_weight_bits": 16},
    # gpt-fast: 4-bit weights with a scale and a zero point of 16 bits for each 32; a scale per row of 8-bit weights.
    "int8": _HALF | {"mapping.processor_weight_bits": 8},
    "int4-G32": _HALF | {"mapping.processor_weight_bits": 5},
    # llama.cpp: blocks of 32 4-bit weights and a scale of 16 bits (of 32 bits in March 2023); the LM head in Q6_K.
    "Q4_0": _HALF | {"mapping.processor_weight_bits": 4.5, "mapping.processor_head_bits": _Q6_K},
    "Q4_0-2023": _HALF | {"mapping.processor_weight_bits": 5},
    # 4.92 GB of Llama 3 8B, less 0.30 GB of embeddings in Q4_K and 0.43 GB of LM head, over 6.98e9 weights of layers.
    "Q4_K_M": _HALF | {"mapping.processor_weight_bits": 4.8, "mapping.processor_head_bits": _Q6_K},
    "q4f16": _HALF | {"mapping.processor_weight_bits": 4.5},
    # BitNet: weights of 2 bits, LM head of 16 bits.
    "W2A8": {"mapping.processor_head_bits": 16},
    "I2_S": {"mapping.processor_head_bits": 16},
}
_CACHE = {"workload.kv.key_bits": 16, "workload.kv.value_bits": 16}


def tokens_per_s(label: str) -> float:
    """Return the speed of a roofline machine.

    Args:
        label: Such as "a100-80gb llama-7b FP16 at 64", or "of 2048" for a prompt.

    Returns:
        Tokens per second: those of a decode step, or those of a prompt over the time until the first new one.
    """
    machine, model, form, phase, tokens = label.split()
    length: dict[str, Any] = {"workload.context_length": int(tokens)}
    if phase == "of":
        length = {"workload.phase": "prefill", "workload.prompt_length": int(tokens)}
    config = load_config(machine, {"workload.model": model, **_CACHE, **_FORMATS[form], **length})
    result, _ = simulate_figures(config, make_trace(config))
    return result.tokens / result.latency_s


_SPEEDS = from_labels(tokens_per_s)

MAKERS: Makers = {
    "device-decode": _SPEEDS,
    "device-decode-others": _SPEEDS,
    "device-decode-2023": _SPEEDS,
    "device-prefill": _SPEEDS,
    "device-prefill-2023": _SPEEDS,
}
