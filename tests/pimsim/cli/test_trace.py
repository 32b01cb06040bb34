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
    assert {name for name in list_traces() if not name.startswith("macro-")} == set(SHIPPED_TRACES)


@pytest.mark.parametrize("name", SHIPPED_TRACES)
def test_shipped_traces_equal_the_output_of_trace_make(name: str, tmp_path: Path) -> None:
    model, context_length = SHIPPED_TRACES[name]
    shipped = find_trace(name).read_bytes()
    make = ("trace", "make", model, "--context", str(context_length), "--layers-only")
    assert run_pimsim(*make).ok.encode() == shipped
    path = tmp_path / "made.json"
    said = run_pimsim(*make, "--out", path).ok
    assert said == f"{path} written: a trace; run it with pimsim run pim-llm --trace {path}\n"
    assert path.read_bytes() == shipped


@pytest.mark.parametrize(
    ("options", "blocks"),
    [
        ((), ["embedding", "layer", "lm_head"]),
        (("--layers-only",), ["layer"]),
        (("--layers-only", "--lm-head"), ["layer", "lm_head"]),
        (("--no-embedding",), ["layer", "lm_head"]),
        (("--config", "pim-llm-published"), ["layer"]),
        (("--config", "pim-llm-published", "--embedding"), ["embedding", "layer"]),
    ],
)
def test_trace_make_includes_what_the_config_counts_and_what_is_asked_for(
    options: tuple[str, ...], blocks: list[str]
) -> None:
    made = json.loads(run_pimsim("trace", "make", "gpt2-small", "--context", "9", *options).ok)
    assert [block["name"] for block in made["blocks"]] == blocks


@pytest.mark.parametrize(
    ("machine", "options"),
    [
        ("pim-llm", ()),
        ("tpu-llm", ()),
        ("pim-llm-published", ("--config", "pim-llm-published")),
        ("tpu-llm-published", ("--layers-only",)),
    ],
)
def test_running_a_trace_that_was_made_is_running_its_model(
    machine: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "made.json"
    assert run_pimsim("trace", "make", "gpt2-small", "--context", "64", *options, "--out", path).ok.endswith(
        f"pim-llm --trace {path}\n"
    )
    traced = simulate(load_config(machine, {"workload.trace": str(path)}))
    run = simulate(load_config(machine, {"workload.model": "gpt2-small", "workload.context_length": 64}))
    assert (traced.latency_ps, traced.energy_j, traced.counts) == (run.latency_ps, run.energy_j, run.counts)
    assert traced.accounting.counted == run.accounting.counted
    assert any("the trace file has no" in note for note in traced.notes) == ("published" in machine)


def test_a_made_trace_has_the_kv_cache_of_its_settings(tmp_path: Path) -> None:
    path = tmp_path / "made.json"
    cache = {"workload.kv.keep": "recent", "workload.kv.recent": 20, "workload.kv.key_bits": 4}
    settings = [f"--set={key}={value}" for key, value in cache.items()]
    assert run_pimsim("trace", "make", "gpt2-small", "--context", "64", *settings, "--out", path).ok
    assert json.loads(path.read_text(encoding="utf-8"))["kv"] == {"key_bits": 4, "keep": "recent", "recent": 20}
    assert "\nKV cache: key_bits 4, keep recent, recent 20\n" in run_pimsim("trace", "show", path).ok
    traced = simulate(load_config("pim-llm", {"workload.trace": str(path)}))
    run = simulate(load_config("pim-llm", {"workload.model": "gpt2-small", "workload.context_length": 64, **cache}))
    assert (traced.latency_ps, traced.energy_j, traced.counts) == (run.latency_ps, run.energy_j, run.counts)
    assert any("keep recent, recent 20), not that of workload.kv" in note for note in traced.notes)


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
