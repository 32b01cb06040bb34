"""Generated parts of docs/baselines.md about HARDSEA: printed values beside ours, and the share of attention kept.

Perplexities are results in docs/reference/kept-entries.csv (benchmarks/study_kept_entries.py).
"""

from __future__ import annotations

import json

from pimsim.studies.validation.comparison import Point
from pimsim.studies.validation.ours.hardsea_figures import attention_at
from tools.docs_generator import trust
from tools.docs_generator.facts import reference, table

WAYS = {"exact": "exact scores", "adc": "codes, ADC", "winner_take_all": "codes, winner-take-all"}


def figures() -> str:
    """Return the printed values of HARDSEA and ours, a row per switch."""
    rows = [row for row in trust._rows() if row.reference.group == "hardsea"]
    return table(
        ("what", "switch", "printed", "ours", "ours / printed"),
        (
            (f"`{row.reference.name}`" if number == 0 else "", point.label, point.theirs.text, *_ours(point))
            for row in rows
            for number, point in enumerate(row.points)
        ),
        right=(2, 3, 4),
    )


def _ours(point: Point) -> tuple[str, str]:
    return f"{point.ours:,.4g}", f"{point.ratio:.3g}"


def quality() -> str:
    """Return perplexity by kept share and by how entries are chosen, beside time and energy of attention."""
    found = {
        (row["line"], json.loads(row["keys"])["kept_share"]): float(row["perplexity"])
        for row in reference("kept-entries")
        if row["group"] == "share"
    }
    shares = dict.fromkeys(share for _, share in found)
    rows = []
    for share in shares:
        seconds, joules, computed = attention_at(share)
        rows.append(
            [
                f"{share:.1%}",
                *(f"{found[way, share]:.3f}" for way in WAYS),
                f"{computed:.1%}",
                f"{seconds * 1e6:,.0f} us",
                f"{joules * 1e6:,.0f} uJ",
            ]
        )
    head = ("kept", *WAYS.values(), "MACs computed", "time of attention", "energy")
    return table(head, rows, right=range(len(head)))


def parts_of_keys() -> str:
    """Return perplexity by the number of parts of a key."""
    rows = [(json.loads(row["keys"]), row) for row in reference("kept-entries") if row["group"] == "subspaces"]
    found = {(keys["subspaces"], row["line"]): float(row["perplexity"]) for keys, row in rows}
    ways = ("adc", "winner_take_all")
    parts = dict.fromkeys(part for part, _ in found)
    return table(
        ("parts of a key", *(WAYS[way] for way in ways)),
        ([str(part), *(f"{found[part, way]:.3f}" for way in ways)] for part in parts),
        right=range(3),
    )


SECTIONS = {"hardsea-figures": figures, "hardsea-quality": quality, "hardsea-parts": parts_of_keys}
