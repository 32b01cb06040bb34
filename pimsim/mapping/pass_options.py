"""What the traces of a config's workload contain besides the ops of the layers, and the widths of their numbers."""

from __future__ import annotations

from pimsim.config.schema import Config
from workloads.decoder_ops import NumberWidths, PassOptions

STEP_BITS = 32
"""Bits of a quantisation step for which the accounting prices steps that are left out: float32."""

SYSTOLIC_BITS = 8
"""Bits of an operand of the systolic array (arXiv:2504.01994: 8-bit MACs)."""


def counted_options(config: Config) -> PassOptions:
    """Return what the traces of a workload contain besides the ops of the layers.

    Args:
        config: Its `workload` and `number_formats`.

    Returns:
        Arguments of the functions of `workloads.decoder_ops` that build traces.
    """
    workload = config.workload
    return {
        "embedding": workload.embedding,
        "lm_head": workload.lm_head,
        "quantisation": workload.quantisation,
        "kv_step_bits": workload.kv_step_bits,
        **number_formats(config),
    }


def complete_options(config: Config) -> PassOptions:
    """Return the options with which a trace contains everything that its pass takes.

    Args:
        config: Its `workload.kv_step_bits` are kept if they are not 0.

    Returns:
        Arguments of the functions of `workloads.decoder_ops` that build traces.
    """
    step_bits = config.workload.kv_step_bits or STEP_BITS
    return {
        "embedding": True,
        "lm_head": True,
        "quantisation": True,
        "kv_step_bits": step_bits,
        **number_formats(config),
    }


def number_formats(config: Config) -> NumberWidths:
    """Return the widths of the numbers in the traces of a config's model; `pimsim accuracy` computes with the same.

    Args:
        config: Its `workload.kv_bits`, and `machine.crossbar.pair.encoding.activation_bits` if it has crossbars.

    Returns:
        The arguments `kv_bits` and `activation_bits` of the functions that make traces. Activations have 8 bits on a
        machine without crossbars, as the operands of the systolic array have.
    """
    crossbar = config.machine.crossbar
    activation_bits = SYSTOLIC_BITS if crossbar is None else crossbar.pair.encoding.activation_bits
    return {"kv_bits": config.workload.kv_bits, "activation_bits": activation_bits}
