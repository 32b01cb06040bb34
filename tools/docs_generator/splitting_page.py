"""The generated part of docs/splitting.md: the presets of links, from their data file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pimsim.config.system_links import link_presets, link_sources
from tools.docs_generator.facts import table

KEYS = ("bandwidth_bps", "latency_s", "energy_j_per_bit")


def links() -> str:
    """Return the table of the presets with the sources of their figures."""
    rows = []
    for name, values in link_presets().items():
        found = link_sources()[name]
        sources = "; ".join(f"{found[key].source} [{found[key].confidence}]" for key in KEYS)
        figures = ["none" if values[key] is None else str(values[key]) for key in KEYS]
        rows.append([f"`{name}`", values["part"], *figures, sources])
    return table(["preset", "link", "bandwidth", "latency", "energy", "sources, in this order"], rows)


SECTIONS: Mapping[str, Callable[[], str]] = {"links": links}
