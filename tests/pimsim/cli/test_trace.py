"""`pimsim trace make` and `trace show`, on the shipped traces."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pimsim import load_config, simulate
from pimsim.base.shipped_files import find_trace, list_traces
from tests.pimsim.cli.shipped_traces import SHIPPED_TRACES
from tests.support.command_line import pimsim as run_pimsim


def test_all_shipped_traces_exist() -> None:
    assert set(list_traces()) == set(SHIPPED_TRACES)


@pytest.mark.parametrize("name", SHIPPED_TRACES)
def test_shipped_traces_equal_the_output_of_trace_make(name: str, tmp_path: Path) -> None:
    model, context_length = SHIPPED_TRACES[name]
    shipped = find_trace(name).read_bytes()
    assert run_pimsim("trace", "make", model, "--context", str(context_length)).ok.encode() == shipped
    path = tmp_path / "made.json"
    said = run_pimsim("trace", "make", model, "--context", str(context_length), "--out", path).ok
    assert said == f"{path} written: a trace; run it with pimsim run pim-llm --trace\n"
    assert path.read_bytes() == shipped


def test_trace_make_may_include_both_ends_of_the_model() -> None:
    made = json.loads(run_pimsim("trace", "make", "gpt2-small", "--context", "9", "--embedding", "--lm-head").ok)
    assert [block["name"] for block in made["blocks"]] == ["embedding", "layer", "lm_head"]


@pytest.mark.parametrize("name", SHIPPED_TRACES)
def test_trace_show_has_every_op(name: str) -> None:
    shown = run_pimsim("trace", "show", name).ok
    ops = json.loads(find_trace(name).read_text(encoding="utf-8"))["blocks"][0]["ops"]
    assert shown == run_pimsim("trace", "show", find_trace(name)).ok
    for op in ops:
        assert re.search(rf"^layer x\d+ +{op['name']} +{op['kind']} ", shown, re.MULTILINE)
    model, context_length = SHIPPED_TRACES[name]
    macs = simulate(load_config("pim-llm", [f"workload.trace={name}"])).macs
    assert shown.startswith(f"{model}, decode at context {context_length:,}: {macs:,} MACs\n")
