"""Number of parameters of a model, from its `config.json`: weights, biases, norms and tables.

Buffers that some checkpoints contain are not parameters: angles of the rotary embedding, causal masks of GPT-2, and the
`weight_scale` of packed BitNets.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workloads.config_features import biased_projections, is_tied
from workloads.config_keys import Keys
from workloads.family import Family
from workloads.huggingface import ConfigFile, read_config_file
from workloads.model_families import FAMILIES
from workloads.models import ModelSpec


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """Parameters of a model by place.

    Attributes:
        embedding: Embedding table of the tokens, with the two projections of OPT-350M.
        positions: Learned position embedding.
        layers: All decoder layers.
        final_norm: Norm before the LM head.
        lm_head: LM head; 0 if it is the embedding table.
    """

    embedding: int
    positions: int
    layers: int
    final_norm: int
    lm_head: int

    @property
    def total(self) -> int:
        """Number of all parameters; a table that embedding and LM head share counts once."""
        return self.embedding + self.positions + self.layers + self.final_norm + self.lm_head


def count_parameters(path: str | os.PathLike[str]) -> ParameterCount:
    """Count the parameters of the model that a `config.json` describes.

    Args:
        path: The file, or the folder that contains it.

    Returns:
        The parameters by place.

    Raises:
        UnknownFamilyError: If the model belongs to none of the `FAMILIES`.
        ConfigFileError: If the file cannot be read or used.

    Example:
        >>> from workloads.shipped import network_folder
        >>> count_parameters(network_folder("kjv-bitnet")).total
        1198848
    """
    file = read_config_file(path)
    spec, family = file.spec, FAMILIES[file.model_type]
    keys = Keys(file.values, file.problems())
    biases, tied = biased_projections(keys, family), is_tied(keys, family)
    if keys.problems.found:
        raise keys.problems.error()
    narrow = file.values.get("word_embed_proj_dim") if file.model_type == "opt" else None
    embedding = spec.vocab * spec.d_model
    if narrow not in (None, spec.d_model):  # project_in and project_out of OPT-350M
        embedding = spec.vocab * narrow + 2 * narrow * spec.d_model
    head = 0 if tied else spec.vocab * spec.d_model
    return ParameterCount(
        embedding=embedding,
        positions=0 if spec.positions is None else (spec.positions + family.position_offset) * spec.d_model,
        layers=spec.layers * _layer(spec, family, biases),
        final_norm=family.norm_vectors * spec.d_model if _has_final_norm(file) else 0,
        lm_head=head + (spec.vocab if family.lm_head_bias else 0),
    )


def _layer(spec: ModelSpec, family: Family, biases: frozenset[str]) -> int:
    """Return the number of parameters of one layer."""
    outputs = {"q": spec.d_query, "k": spec.d_kv, "v": spec.d_kv, "o": spec.d_model, "up": spec.d_ff}
    outputs |= {"down": spec.d_model} | ({"gate": spec.d_ff} if spec.gated else {})
    inputs = dict.fromkeys(outputs, spec.d_model) | {"o": spec.d_query, "down": spec.d_ff}
    count = sum(inputs[name] * outputs[name] + (outputs[name] if name in biases else 0) for name in outputs)
    norms = 4 if spec.norm_order == "both" else 1 if spec.shared_norm else 2
    count += norms * family.norm_vectors * spec.d_model
    if spec.qk_norms == "whole" or (spec.qk_norms == "heads" and not family.one_norm_for_all_heads):
        count += spec.d_query + spec.d_kv
    elif spec.qk_norms == "heads":
        count += 2 * spec.d_head * family.qk_norm_vectors
    if spec.sub_norms:
        count += spec.d_query + spec.d_ff
    return count + (sum(inputs.values()) if spec.projection_norms else 0)


def _has_final_norm(file: ConfigFile) -> bool:
    values: Mapping[str, Any] = file.values
    last = values.get("do_layer_norm_before", True) is not False and not values.get("_remove_final_layer_norm")
    return last or file.model_type != "opt"
