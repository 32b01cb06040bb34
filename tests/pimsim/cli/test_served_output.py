"""`pimsim serve` and `pimsim show` of a system: tables, files, and bad input."""

from __future__ import annotations

import csv
import json
from dataclasses import fields
from pathlib import Path

import pytest

from pimsim.cli.served_output import KINDS, named
from pimsim.studies.cluster.cluster_store import read_cluster
from tests.support.closeness import near
from tests.support.command_line import assert_refused, pimsim

FILE = """\
name: two-and-one
split: phases
machines: {prefill: tpu-llm, decode: pim-llm}
link: ethernet-100g
workload: {model: gpt2-small}
cluster: {replicas: {prefill: 2}}
"""
FEW = ("--poisson", "50", "--count", "5", "--prompt", "8", "--output", "uniform:1:3")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "system.yaml"
    file.write_text(FILE)
    return file


def test_the_whole_each_machine_and_the_link_are_shown(path: Path, tmp_path: Path) -> None:
    rows, stored, plots = tmp_path / "r.csv", tmp_path / "r.h5", tmp_path / "plots"
    text = pimsim("serve", path, *FEW, "--csv", rows, "--out", stored, "--plots", plots).ok
    title = text.replace("\n", " ").replace("  ", " ")
    assert "two-and-one: gpt2-small, 5 requests, prefill on 2 of tpu-llm and decode on pim-llm" in title
    assert "KV caches over the link" in text
    assert "prefill-2" in text
    assert "Ethernet of 100 Gb/s with RDMA" in text
    assert "wait for space and link" in text
    result = read_cluster(stored)
    with rows.open() as file:
        table = list(csv.DictReader(file))
    assert [row["decode_machine"] for row in table] == [row["decode_machine"] or "" for row in result.request_rows()]
    names = {f"serving-{what}.{suffix}" for what in ("times", "machines") for suffix in ("png", "svg", "pdf")}
    assert {each.name for each in plots.iterdir()} == names
    shown = pimsim("show", stored).ok
    assert shown.split("written")[0].splitlines() == [line for line in text.splitlines() if "written:" not in line]


def test_json_has_machines_links_and_the_system(path: Path) -> None:
    shown = json.loads(pimsim("serve", path, *FEW, "--json", "--set", "cluster.routing=round_robin").ok)
    assert [each["machine"] for each in shown["machines"]] == ["prefill-1", "prefill-2", "decode"]
    assert [each["requests"] for each in shown["machines"][:2]] == [3, 2]
    assert [each["link"] for each in shown["links"]] == ["link"]
    assert shown["links"][0]["bytes"] == shown["summary"]["transfer_bytes"] > 0
    assert shown["system"]["cluster"]["replicas"] == {"prefill": 2}
    assert {each["machine"] for each in shown["iterations"]} == {"prefill-1", "prefill-2", "decode"}
    energies_j = sum(each["energy_j"] for each in (*shown["machines"], *shown["links"]))
    assert energies_j == near(shown["summary"]["total_energy_j"], rel=1e-9)


def test_a_file_that_is_not_a_result_of_a_system_is_not_replaced(path: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.h5"
    kept.write_text("mine")
    outcome = pimsim("serve", path, *FEW, "--out", kept)
    assert_refused(outcome, 7)
    assert kept.read_text() == "mine"


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        (("--set", "split=attention"), 3, "machines.prefill: is not a role of split: attention"),
        (("--set", "link=shared"), 3, "lets machines share a memory, whose space serving does not divide"),
        (("--set", "cluster.routing=fastest"), 3, "cluster.routing: 'fastest' is not one of round_robin"),
        (("--set", "machines.decode.machine.memory.capacity_bytes=78 MB"), 4, "machines.decode: request '1' can never"),
    ],
)
def test_mistakes_are_one_message_each(path: Path, settings: tuple[str, ...], code: int, message: str) -> None:
    outcome = pimsim("serve", path, *FEW, *settings)
    assert_refused(outcome, code)
    assert message in outcome.err


def test_a_run_says_that_it_does_not_read_the_section_of_serving(path: Path) -> None:
    outcome = pimsim("run", path, "--set", "workload.new_tokens=2", "--set", "workload.prompt_length=4")
    assert "note: pimsim run uses one machine of each role" in outcome.err


def test_machines_that_divide_each_layer_are_shown_with_their_link(tmp_path: Path) -> None:
    file, stored, plots = tmp_path / "system.yaml", tmp_path / "r.h5", tmp_path / "plots"
    file.write_text(
        "name: pair\nsplit: attention\nmachines: {attention: tpu-llm, projections: pim-llm}\nlink: pcie5-x16\n"
        "workload: {model: gpt2-small}\n"
    )
    text = pimsim("serve", file, *FEW, "--out", stored, "--plots", plots).ok
    title = text.replace("\n", " ").replace("  ", " ")
    assert "pair: gpt2-small, 5 requests, attention on tpu-llm and projections on pim-llm, split attention" in title
    assert "of the time of iterations" in text
    assert "each iteration is a sum of simulated passes" in text
    shown = pimsim("show", stored).ok
    assert shown.split("written")[0].splitlines() == [line for line in text.splitlines() if "written:" not in line]
    tree = json.loads(pimsim("show", stored, "--json").ok)
    rows = [*tree["machines"], *tree["links"]]
    assert [row.get("machine", row.get("link")) for row in rows] == ["attention", "projections", "link"]
    assert sum(row["energy_j"] for row in rows) == near(tree["summary"]["total_energy_j"])
    assert tree["summary"]["link_bytes"] == tree["links"][0]["bytes"] > 0


def test_each_kind_names_functions_that_exist() -> None:
    for kind in KINDS.values():
        for field in fields(kind)[2:]:
            assert callable(named(getattr(kind, field.name))), field.name
