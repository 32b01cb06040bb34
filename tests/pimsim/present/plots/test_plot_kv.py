"""The plot of KV caches has a line per format and policy, and the capacity of each tier that is near."""

from __future__ import annotations

from pimsim import kv_plots, kv_sizes
from tests.pimsim.present.plots.drawn import entries, panels, texts


def test_lines_are_sizes_and_tiers_are_levels() -> None:
    result = kv_sizes(
        "llama-3-8b", 8192, [16, 4], recent=1024, batch=2, tiers=["lpddr5x", "hbm3", "ddr5", "sram", "ssd"]
    )
    figure = kv_plots(result)["kv-sizes"]()
    [axes] = panels(figure)
    curves = [line.get_xydata() for line in axes.lines if len(line.get_xydata()) > 2]
    for size, curve in zip(result.sizes, curves, strict=True):
        at = {int(x): int(y) for x, y in curve}
        assert at[8192] == 2 * size.sequence_bytes
        assert at[64] == 2 * 64 * size.bytes_per_token
    assert texts(axes) == ["sram", "lpddr5x, hbm3", "ddr5"]  # the SSD is far above all sizes
    assert entries(figure) == ["all, 16 bits", "recent 1,024, 16 bits", "all, 4 bits", "recent 1,024, 4 bits"]
