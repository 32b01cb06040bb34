"""Traces of experts: which experts a real model used for each token, from a JSON file.

The file has one list per MoE layer, or one for all of them, with one list of experts per token::

    {"schema_version": 1, "layers": [[[0, 5], [2, 5], [1, 7]], [[3, 4], [0, 6], [0, 2]]]}

In transformers these are the indices that the router of a layer returns, `topk(router_logits, k).indices`. The files
are untrusted input: size, types and ranges are checked here, and the number of experts per token where the model is
known (`ExpertShape`).
"""

from __future__ import annotations

import os

from workloads.checked_fields import Integer, shorten, suggest
from workloads.mixture import EXPERTS, Picks
from workloads.strict_json import Problems, as_object, parse
from workloads.untrusted_files import printable, read_file
from workloads.workload_errors import ExpertTraceError

MAX_FILE_BYTES = 64 * 2**20
SCHEMA_VERSION = 1
EXPERT = Integer(0, EXPERTS.high - 1)


def read_expert_trace(path: str | os.PathLike[str]) -> tuple[Picks, ...]:
    """Read a trace of experts.

    Args:
        path: The file.

    Returns:
        Experts of each token of each layer.

    Raises:
        ExpertTraceError: If the file cannot be read, is larger than 64 MiB, or is not a valid trace of experts; the
            message lists the problems.
    """
    data = read_file(path, "the trace of experts", MAX_FILE_BYTES, ExpertTraceError)
    problems = Problems(printable(path), "is not a valid trace of experts", ExpertTraceError)
    values = as_object(parse(data, problems), "", problems)
    if values is None or problems.found:
        raise problems.error()
    known = ("schema_version", "layers")
    for key in values:
        if key not in known:
            problems.add("", f"the key {shorten(key)} is unknown{suggest(key, known)}")
    if (version := values.get("schema_version")) != SCHEMA_VERSION or type(version) is not int:
        problems.add("schema_version", f"must be {SCHEMA_VERSION}, not {shorten(version)}")
    layers = values.get("layers")
    if not isinstance(layers, list) or not layers:
        problems.add("layers", f"must be a list of at least one layer, not {shorten(layers)}")
        raise problems.error()
    found = tuple(_layer(tokens, f"layers[{number}]", problems) for number, tokens in enumerate(layers))
    if problems.found:
        raise problems.error()
    return found


def _layer(tokens: object, path: str, problems: Problems) -> Picks:
    if not isinstance(tokens, list) or not tokens:
        problems.add(path, f"must be a list of at least one token, not {shorten(tokens)}")
        return ()
    for number, chosen in enumerate(tokens):
        if problems.full:
            break
        if not isinstance(chosen, list) or not chosen:
            problems.add(f"{path}[{number}]", f"must be a list of at least one expert, not {shorten(chosen)}")
        elif text := next((text for text in map(EXPERT.problem, chosen) if text), None):
            problems.add(f"{path}[{number}]", f"{text} in the list")
    return () if problems.found else tuple(map(tuple, tokens))
