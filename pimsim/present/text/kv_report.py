"""Report of the sizes of KV caches: bytes by format and policy, then what each memory tier holds of them."""

from __future__ import annotations

from typing import IO

from rich.table import Table as RichTable
from rich.text import Text

from pimsim.present.text.tables import console, quantity, table
from pimsim.studies.memory_wall.kv_sizes_result import KvSizes

KEY = (
    "per token: a kept token in all layers, scales included; full: the same format with every token kept",
    "MHA: a full cache if each query head had keys and values of its own (multi-head attention)",
    "read: the whole cache once, at the peak rate of reads; energy: of that read",
)


def print_kv_sizes(result: KvSizes, file: IO[str] | None = None) -> None:
    """Print the sizes of the caches of a model, and what each tier holds of them.

    Args:
        result: The sizes.
        file: File to write to; None means standard output.
    """
    out = console(file)
    batch = "" if result.batch == 1 else f", batch of {result.batch:,}"
    out.print(Text(f"{result.model}: KV cache at context {result.context:,}{batch}", style="bold"))
    for note in result.notes:
        out.print(Text(f"note: {note}"))
    out.print(_sizes(result))
    out.print()
    out.print(Text(_weights(result)))
    out.print(_tiers(result))
    out.print()
    for line in KEY:
        out.print(Text(line))
    if any(each.cache.sums_attention for each in result.sizes):
        out.print(Text("heavy_hitters: with a sum of 32 bits of the attention that each kept token got, per head"))
    described = "; ".join(f"{each.name}: {each.part}" for each in result.tiers)
    out.print(Text(f"tiers (--json has the source of each value): {described}"))


def _weights(result: KvSizes) -> str:
    size = quantity(result.weight_bytes, "_bytes")
    weights = f"{result.weights / 1e9:.4g} G weights of {result.weight_bits:g} bits, {size}"
    if not result.weights_in:
        return f"each tier holds KV caches only; --weights-in NAME puts the model's {weights}, into a tier"
    return f"capacity is less the model's {weights}, in: {', '.join(result.weights_in)}"


def _sizes(result: KvSizes) -> RichTable:
    shown = table(
        "policy", "bits", "format of scales", "kept", "per token", "of full", "sequence", "scales", "full", "MHA", "",
        numeric=(3, 4, 5, 6, 7, 8, 9, 10),
    )  # fmt: skip
    for each in result.sizes:
        shown.add_row(
            each.policy,
            each.bits,
            each.scales or "none",
            f"{float(each.kept):,.10g}",
            f"{each.bytes_per_token:,.10g} B",
            _times(each.sequence_bytes, each.full_bytes),
            quantity(each.sequence_bytes, "_bytes"),
            f"{each.scale_bytes / each.sequence_bytes:.1%}" if each.scale_bytes else "",
            quantity(each.full_bytes, "_bytes"),
            quantity(each.mha_bytes, "_bytes"),
            _times(each.mha_bytes, each.full_bytes),
        )
    return shown


def _times(part: int, whole: int) -> str:
    return "" if part == whole else f"{part / whole:.3g}x"


def _tiers(result: KvSizes) -> RichTable:
    shown = table(
        "tier", "capacity", "bandwidth", "policy", "bits", "largest context", "largest batch", "read", "energy", "",
        numeric=(1, 2, 5, 6, 7, 8),
    )  # fmt: skip
    before = ""
    for tier in result.tiers:
        for fit in (each for each in result.fits if each.tier is tier):
            name = tier.name if tier.units == 1 else f"{tier.name} x {tier.units}"
            first = name if name != before else ""
            before = name
            shown.add_row(
                first,
                quantity(fit.free_bytes, "_bytes") if first else "",
                quantity(tier.read_bytes_per_s, "_bytes_per_s") if first else "",
                fit.size.policy,
                fit.size.bits,
                "any" if fit.largest_context is None else f"{fit.largest_context:,}",
                f"{fit.largest_batch:,}",
                quantity(fit.read_s, "_s"),
                quantity(fit.read_j, "_j"),
                "" if fit.fits else "does not fit",
            )
    return shown
