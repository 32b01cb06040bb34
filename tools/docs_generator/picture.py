"""Picture of README.md, drawn with matplotlib from the data that `picture_data` computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

NAMES = {"gpt2-350m": "GPT-2 350M", "opt-1.3b": "OPT-1.3B", "opt-6.7b": "OPT-6.7B"}
# Palette of Okabe and Ito, which colour-blind readers can distinguish, also in grey print.
MODEL_COLOURS = {"gpt2-350m": "#0072B2", "opt-1.3b": "#009E73", "opt-6.7b": "#D55E00"}
PART_COLOURS = ("#0072B2", "#E69F00", "#56B4E9", "#000000", "#009E73", "#CC79A7")
INK = "#333333"


def draw_decode(data: dict[str, Any], path: Path, digest: str) -> None:
    """Draw tokens per second beside the published values, and the latency breakdown of decode steps.

    Args:
        data: Data of `picture_data.picture_data`.
        path: SVG file to write.
        digest: Digest of the data, which is written into the file.
    """
    settings = {
        "svg.hashsalt": "pimsim",
        "font.size": 9,
        "font.family": "DejaVu Sans",
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(10, 3.9), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
        _speed(left, data["speed"])
        _bars(right, data["bars"])
        handles, labels = right.get_legend_handles_labels()
        figure.legend(handles, labels, frameon=False, fontsize=8, ncols=6, loc="outside lower right", handlelength=1.2)
        figure.savefig(path, metadata={"Date": None, "Creator": None, "Description": digest})


def _speed(axes: Axes, rows: list[list[Any]]) -> None:
    for model, colour in MODEL_COLOURS.items():
        for machine, style in (("pim-llm", "-"), ("tpu-llm", "--")):
            points = [row[2:] for row in rows if row[:2] == [model, machine]]
            contexts, ours, theirs = zip(*points, strict=True)
            axes.plot(contexts, ours, style, color=colour, lw=1.6)
            known = [(context, value) for context, value in zip(contexts, theirs, strict=True) if value is not None]
            axes.plot(*zip(*known, strict=True), "o", color="white", mec=colour, ms=5.5, mew=1.3)
            if machine == "pim-llm":
                axes.annotate(
                    NAMES[model], (contexts[0], ours[0]), (-6, 0), textcoords="offset points", ha="right",
                    va="center", color=colour,
                )  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks([128, 256, 512, 1024, 2048, 4096], labels=["128", "256", "512", "1024", "2048", "4096"])
    axes.set_yticks([0.1, 1, 10, 100], labels=["0.1", "1", "10", "100"])
    axes.set_xlim(34, 4700)
    axes.set_ylim(0.25, 400)
    axes.minorticks_off()
    axes.grid(axis="y", lw=0.4, color="#dddddd")
    axes.set_xlabel("context length (tokens)")
    axes.set_title("Tokens/s by the paper's accounting: the published machines", loc="left", fontsize=9.5)
    handles = [
        mpl.lines.Line2D([], [], color=INK, lw=1.6, label="PIM-LLM, pimsim"),
        mpl.lines.Line2D([], [], color=INK, lw=1.6, ls="--", label="TPU-LLM, pimsim"),
        mpl.lines.Line2D([], [], color="white", marker="o", mec=INK, mew=1.3, ms=5.5, label="published"),
    ]
    axes.legend(handles=handles, frameon=False, fontsize=8, loc="upper right")


def _bars(axes: Axes, bars: list[list[Any]]) -> None:
    labels = [f"{NAMES[model]}\ncontext {context}" for model, context, *_ in bars]
    start = [0.0] * len(bars)
    for part, colour in zip(bars[0][3], PART_COLOURS, strict=True):
        widths = [100 * shares[part] for *_, shares in bars]
        axes.barh(labels, widths, left=start, color=colour, height=0.62, label=part, edgecolor="white", lw=0.6)
        for index, width in enumerate(widths):
            if width >= 7:
                axes.text(
                    start[index] + width / 2, index, f"{width:.0f}", ha="center", va="center", fontsize=8,
                    color="white" if colour in ("#0072B2", "#000000") else "black",
                )  # fmt: skip
        start = [a + b for a, b in zip(start, widths, strict=True)]
    for index, (_, _, latency_ms, _) in enumerate(bars):
        axes.text(101, index, f"{latency_ms:.1f} ms", va="center", fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 114)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share of the latency (%)")
    axes.set_title("pim-llm, everything counted: latency breakdown of a decode step", loc="left", fontsize=9.5)
