"""Shipped networks are found by name; any other name is a path."""

from __future__ import annotations

from pathlib import Path

from workloads import shipped
from workloads.checkpoint import load_network


def test_the_default_network_and_its_texts_exist() -> None:
    folder = shipped.network_folder()
    assert folder.name == shipped.DEFAULT_NETWORK
    assert folder == shipped.network_folder(shipped.DEFAULT_NETWORK)
    assert shipped.shipped_networks() == (shipped.DEFAULT_NETWORK,)
    assert load_network(folder).network.spec.name == shipped.DEFAULT_NETWORK
    for name in (shipped.HELD_OUT, shipped.CALIBRATION):
        assert len(shipped.shipped_text(name).read_text(encoding="utf-8")) > 10_000


def test_a_path_is_returned_unchanged() -> None:
    assert shipped.network_folder("a/kjv-bitnet") == Path("a/kjv-bitnet")
    assert shipped.network_folder(Path("elsewhere")) == Path("elsewhere")
