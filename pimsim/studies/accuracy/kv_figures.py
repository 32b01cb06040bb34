"""The KV cache of an evaluation: its sizes, and whether its groups fit the network."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.base.errors import ConfigError, Problem, show
from pimsim.config.schema import Config
from pimsim.studies.accuracy.accuracy_records import CacheFigures
from pimsim.studies.accuracy.evaluation_inputs import Inputs
from pimsim.studies.accuracy.reference import Reference
from workloads.kv_cache import KvCacheSpec
from workloads.kv_entries import HALF_BITS
from workloads.workload_errors import SpecError

GROUP_KEY = "workload.kv.group_size"


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
        message = str(error).removeprefix(f"{GROUP_KEY} ").replace(f", not {kv.group_size}", "")
        raise ConfigError([Problem(GROUP_KEY, show(kv.group_size), message)], config.name) from error


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


def cache_warnings(reference: Reference) -> Iterator[str]:
    """Say which settings of the KV cache have no effect within a window of the text.

    Args:
        reference: Results of the exact model; contains network, windows and what the cache keeps.

    Yields:
        A sentence if the policy drops no token, and one if no group of tokens is complete.
    """
    kv, figures = reference.formats.kv, cache_figures(reference)
    tokens = figures.kv_tokens
    full = sum(min(tokens, window or tokens) for window in reference.network.spec.windows)
    if kv.keep != "all" and figures.kv_kept * reference.network.spec.layers >= full:
        yield f"workload.kv.keep: {kv.keep} drops no token, since a window of the text has only {tokens} tokens"
    if any(each.by_tokens and each.group_size > tokens for each in (kv.key, kv.value)):
        size = kv.group_size
        yield f"no group of {size} tokens (workload.kv.group_size) is complete in {tokens} tokens: they stay float16"
