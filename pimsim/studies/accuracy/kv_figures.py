"""The KV cache of an evaluation: its sizes, and whether its groups fit the network."""

from __future__ import annotations

from pimsim.base.errors import ConfigError, Problem, show
from pimsim.config.schema import Config
from pimsim.studies.accuracy.accuracy_records import CacheFigures
from pimsim.studies.accuracy.evaluation_inputs import Inputs
from pimsim.studies.accuracy.reference import Reference
from workloads.kv_cache import KvCacheSpec
from workloads.kv_entries import HALF_BITS
from workloads.workload_errors import SpecError


def check_groups(config: Config, inputs: Inputs) -> None:
    """Check that groups of channels divide the heads of a network.

    Args:
        config: Config with the KV cache.
        inputs: The network.

    Raises:
        ConfigError: If they do not.
    """
    kv = config.workload.kv
    try:
        kv.spec().check_head(inputs.network.spec.d_head)
    except SpecError as error:
        message = str(error).removeprefix("group_size ").replace(f", not {kv.group_size}", "")
        raise ConfigError([Problem("workload.kv.group_size", show(kv.group_size), message)], config.name) from error


def cache_figures(reference: Reference) -> CacheFigures:
    """Return the sizes of the KV cache of the last token of a window.

    Args:
        reference: Results of the exact model; contains network, windows and what the cache keeps.

    Returns:
        Tokens and bytes, from the same counts as time and capacity.
    """
    spec, kv = reference.network.spec, reference.formats.kv
    tokens = len(reference.inputs.prefix) + reference.windows[0].length
    kept = sum(kv.kept(tokens, window) for window in spec.windows) / spec.layers
    full = KvCacheSpec(key_bits=HALF_BITS, value_bits=HALF_BITS)
    return CacheFigures(tokens, kept, kv.sequence_bytes(spec, tokens), full.sequence_bytes(spec, tokens))
