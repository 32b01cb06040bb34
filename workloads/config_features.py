"""Features of a `config.json` that depend on the family: windows, rotated elements of a head, biases, the LM head."""

from collections.abc import Iterator, Mapping

from workloads.checked_fields import Boolean, Integer, Number, shorten
from workloads.config_keys import Keys
from workloads.family import Family
from workloads.models import ENTRIES, Window


def read_window(keys: Keys, family: Family, layers: object) -> Window:
    """Read the sliding window of attention.

    Args:
        keys: The values of the file, which receive the problems.
        family: Its family.
        layers: Number of layers in the file; ignored if it is not valid.

    Returns:
        `ModelSpec.window`.

    Reference:
        The configuration classes in transformers; a window includes the token itself, as in `masking_utils.py`.
    """
    kind = family.windows
    if kind == "none" or (kind == "switched" and not keys.optional("use_sliding_window", Boolean(), False)):
        return None
    if "sliding_window" in keys.values and keys.values["sliding_window"] is None:
        return None
    window: int | None = family.default_window
    if "sliding_window" in keys.values or (kind == "patterned" and window is None):
        window = keys.required("sliding_window", ENTRIES)
    if kind == "all" or window is None or keys.problems.found or type(layers) is not int:
        return window
    return _by_layer(keys, family, layers, window)


def read_rotated(keys: Keys, family: Family, d_head: int) -> int | None:
    """Read how many elements of a head the rotary embedding rotates.

    Args:
        keys: The values of the file, which receive the problems.
        family: Its family.
        d_head: Elements of a head.

    Returns:
        `ModelSpec.d_rotary`.
    """
    if family.position != "rotary":
        return None
    if family.default_rotated > 1:
        elements: int = keys.optional(family.rotated, Integer(1, d_head), min(family.default_rotated, d_head))
        given = keys.values.get(family.rotated, elements) is not None  # null means the whole head
        return elements if given and not keys.problems.found and elements < d_head else None
    fraction = family.default_rotated
    for key in ("rope_scaling", "rope_parameters", None):
        inner = keys.values if key is None else keys.values.get(key)
        name = family.rotated if key is None else "partial_rotary_factor"
        if not isinstance(inner, Mapping) or inner.get(name) is None:
            continue
        if text := Number(1e-6, 1).problem(inner[name]):
            keys.problems.add(name if key is None else f"{key}.{name}", text)
            return None
        fraction = inner[name]
    elements = int(d_head * fraction)
    return elements if 0 < elements < d_head else None


def _by_layer(keys: Keys, family: Family, layers: int, window: int) -> Window:
    """Return the window of each layer, or the one value that all layers have."""
    kinds = keys.values.get("layer_types")
    if kinds is None and family.windows == "switched":
        first = keys.optional("max_window_layers", Integer(0, 2**31), 28)
        kinds = ["full_attention" if layer < first else "sliding_attention" for layer in range(layers)]
    elif kinds is None:
        every = keys.optional("sliding_window_pattern", Integer(1, 10_000), family.full_every)
        if keys.problems.found:
            return window
        kinds = ["sliding_attention" if (layer + 1) % every else "full_attention" for layer in range(layers)]
    known = {"full_attention": None, "sliding_attention": window}
    if not isinstance(kinds, list) or len(kinds) != layers or not all(isinstance(k, str) and k in known for k in kinds):
        keys.problems.add("layer_types", f"must be a list of {layers} times {' or '.join(known)}, not {shorten(kinds)}")
        return window
    each = tuple(known[kind] for kind in kinds)
    return each if len(set(each)) > 1 else each[0]


def biased_projections(keys: Keys, family: Family) -> frozenset[str]:
    """Return the projections that have a bias.

    Args:
        keys: The values of a file, which receive the problem of a switch that is not true or false.
        family: Its family.

    Returns:
        Fields of `LayerWeights`.
    """
    switched = (
        parts for key, parts in family.biased_by.items() if keys.optional(key, Boolean(), family.biased_by_default)
    )
    return family.always_biased.union(*switched)


def is_tied(keys: Keys, family: Family) -> bool:
    """Return whether embedding and LM head are one table.

    Args:
        keys: The values of a file, which receive the problem of a switch that is not true or false.
        family: Its family.

    Returns:
        True if they are one table.
    """
    return bool(keys.optional("tie_word_embeddings", Boolean(), family.tied))


def unlike_transformers(keys: Keys, model_type: str) -> Iterator[str]:
    """Find values of an MPT config that its class in transformers ignores and MosaicML's own code does not.

    Args:
        keys: The values of the file.
        model_type: Its family.

    Yields:
        One message per value.
    """
    if model_type != "mpt":
        return
    if (ratio := keys.values.get("expansion_ratio", 4)) != 4:
        yield f"expansion_ratio must be 4, not {shorten(ratio)}: transformers computes every MPT with 4"
    attention = keys.values.get("attn_config")
    if attention is not None and not isinstance(attention, Mapping):
        yield f"attn_config must be an object, not {shorten(attention)}"
    elif attention:
        supported = {"attn_type": "multihead_attention", "alibi": True, "qk_ln": False, "prefix_lm": False}
        for key, wanted in supported.items():
            if (found := attention.get(key, wanted)) != wanted:
                only = str(wanted).lower() if isinstance(wanted, bool) else wanted
                yield f"attn_config.{key} must be {only}, not {shorten(found)}: other MPTs are not modelled"
