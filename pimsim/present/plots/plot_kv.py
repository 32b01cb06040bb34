"""Plot of the size of KV caches over the context, with the capacities of memory tiers, on log-log axes."""

from __future__ import annotations

from matplotlib.figure import Figure

from pimsim.present.labels import shown_model
from pimsim.present.plots.active_style import pt
from pimsim.present.plots.figure_layout import add_legend, headed, new_axes, write_value
from pimsim.present.plots.style import BLUE, COLUMN_IN, GREEN, GREY, ORANGE, PURPLE, SMALL_PT, VERMILION, light_grid
from pimsim.studies.memory_wall.kv_sizes_result import KvSizes

FIRST = 64
"""Smallest context of the plot, in tokens."""
FURTHER = 8
"""Factor from the context of the sizes to the largest one of the plot."""
CLOSE = 2.0
"""Factor between two capacities up to which their tiers share a label."""
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, GREY)
LINES = ("-", "--", ":", "-.")


def kv_sizes(result: KvSizes) -> Figure:
    """Plot the cache of the batch against the context, one line per format and policy, and the tiers' capacities.

    Args:
        result: The sizes.

    Returns:
        The figure, as wide as a column of a paper.
    """
    figure, axes = new_axes(COLUMN_IN, 2.9 + 0.16 * -(-len(result.sizes) // 2))
    contexts = _contexts(result.context)
    policies = list(dict.fromkeys(each.policy for each in result.sizes))
    bits = list(dict.fromkeys(each.bits for each in result.sizes))
    for each in result.sizes:
        sizes = [result.batch * each.cache.sequence_bytes(result.spec, context) for context in contexts]
        axes.plot(
            contexts,
            sizes,
            LINES[policies.index(each.policy) % len(LINES)],
            color=COLOURS[bits.index(each.bits) % len(COLOURS)],
            linewidth=pt(1.2),
            label=f"{each.policy}, {each.bits} bits",
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    low, high = axes.get_ylim()
    for names, free_bytes in _lines(result):
        if low <= free_bytes[-1] <= 4 * high:
            for capacity in free_bytes:
                axes.axhline(capacity, color=GREY, linewidth=pt(0.6), zorder=1)
            write_value(axes, ", ".join(names), (contexts[0], free_bytes[-1]), (1, 3))
    axes.axvline(result.context, color=GREY, linewidth=pt(0.4), linestyle=":", zorder=1)
    axes.set_xlim(contexts[0], 1.5 * contexts[-1])
    axes.xaxis.set_major_formatter(lambda value, _: _tokens(value))
    axes.yaxis.set_major_formatter(lambda value, _: _bytes(value))
    axes.set_xlabel("context (tokens)")
    axes.set_ylabel("KV cache (bytes)")
    light_grid(axes, "x")
    add_legend(figure, loc="outside lower center", ncols=2, fontsize=pt(SMALL_PT))
    batch = "" if result.batch == 1 else f", batch of {result.batch:,}"
    headed(figure, f"{shown_model(result.model)}: KV cache{batch}")
    return figure


def _lines(result: KvSizes) -> list[tuple[list[str], list[int]]]:
    """Return names and capacities of the tiers, the smallest first; close ones share a label."""
    free = {tier.name: next(fit.free_bytes for fit in result.fits if fit.tier is tier) for tier in result.tiers}
    groups: list[tuple[list[str], list[int]]] = []
    for name, size in sorted(free.items(), key=lambda item: item[1]):
        if groups and size <= CLOSE * groups[-1][1][-1]:
            groups[-1][0].append(name)
            groups[-1][1].append(size)
        elif size:
            groups.append(([name], [size]))
    return groups


def _contexts(context: int) -> list[int]:
    """Return powers of two around a context, and the context itself."""
    powers = [1 << power for power in range(FIRST.bit_length() - 1, (FURTHER * context).bit_length())]
    return sorted({*powers, context, FIRST})


def _tokens(value: float) -> str:
    return _binary(value, ((1 << 20, "M"), (1 << 10, "k"), (1, "")))


def _bytes(value: float) -> str:
    sizes = ((1 << 40, " TiB"), (1 << 30, " GiB"), (1 << 20, " MiB"), (1 << 10, " KiB"), (1, " B"))
    return _binary(value, sizes)


def _binary(value: float, units: tuple[tuple[int, str], ...]) -> str:
    size, name = next((unit for unit in units if value >= unit[0]), units[-1])
    return f"{value / size:g}{name}"
