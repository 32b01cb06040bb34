"""Upkeep of the machines of a system: they take turns, and times and energies are those of machines alone."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest

from pimsim import ClusterResult, load_config, load_system, serve
from pimsim.base.errors import ResultFileError
from pimsim.present.report.serving_sections import cluster_sections
from pimsim.present.text.cluster_report import print_cluster
from pimsim.studies.cluster.cluster_records import MachinePause
from pimsim.studies.cluster.cluster_store import read_cluster, write_cluster
from tests.support.closeness import near
from workloads.requests import Request

SHARED: dict[str, Any] = {"workload": {"model": "gpt2-small"}, "leakage_gating": "ungated"}
PIM: dict[str, Any] = {"extends": ["pim-llm"], "machine": {"crossbar": {"rewrite_interval_s": 100}}}
REPLICAS: dict[str, Any] = {"split": "replicas", "machines": {"a": PIM}} | SHARED
REQUESTS = [Request(id=str(at), arrival_s=at, prompt_tokens=8, output_tokens=4) for at in (0, 10, 20, 260)]


@pytest.fixture(scope="module")
def replicas() -> ClusterResult:
    return serve(load_system(REPLICAS, ["cluster.replicas.a=4"]), REQUESTS)


def test_machines_take_turns(replicas: ClusterResult) -> None:
    """Four machines with 100 s between two rewrites: one of them every 25 s, also while it has no request."""
    assert [each.name for each in replicas.machines] == ["a-1", "a-2", "a-3", "a-4"]
    due = sorted((each.pause.due_ps // 10**12, each.machine) for each in replicas.pauses)
    assert due == [(25, 3), (50, 2), (75, 1), (100, 0), (125, 3), (150, 2), (175, 1), (200, 0), (225, 3), (250, 2)]
    rows = list(replicas.pause_rows())
    assert [row["machine"] for row in rows] == ["a-1"] * 2 + ["a-2"] * 2 + ["a-3"] * 3 + ["a-4"] * 3
    figures = replicas.summary()
    [task] = {each.task for each in replicas.upkeep}
    assert figures["upkeep_rewrites"] == 10
    assert figures["upkeep_average_share"] == near(task.share)
    assert figures["upkeep_average_w"] == near(4 * task.power_w)


def test_machines_of_different_roles_take_turns_too() -> None:
    """Three replicas of two kinds: one pause every 40 s of an interval of 120 s."""
    often: dict[str, Any] = {"extends": ["pim-llm"], "machine": {"crossbar": {"rewrite_interval_s": 120}}}
    system = {"split": "replicas", "machines": {"a": often, "b": often}} | SHARED
    result = serve(load_system(system, ["cluster.replicas.a=2"]), REQUESTS)
    assert sorted(each.pause.due_ps // 10**12 for each in result.pauses) == [40, 80, 120, 160, 200, 240]
    assert {each.machine for each in result.pauses} == {0, 1, 2}


def test_energies_of_machines_requests_and_pauses_add_up(replicas: ClusterResult) -> None:
    machines = math.fsum(row["energy_j"] for row in replicas.machine_rows())
    assert machines == near(replicas.energy_j, rel=1e-12)
    assert replicas.upkeep_energy_j == near(10 * replicas.upkeep[0].task.energy_j)
    parts = replicas.requests_energy_j, replicas.idle_energy_j, replicas.upkeep_energy_j
    assert math.fsum(parts) == near(replicas.energy_j, rel=1e-12)
    assert math.fsum(each.energy_j for each in replicas.accounting.counted) == near(replicas.energy_j, rel=1e-12)


def test_pauses_are_stored_printed_and_part_of_json(replicas: ClusterResult, tmp_path: Path) -> None:
    write_cluster(replicas, tmp_path / "c.h5")
    assert read_cluster(tmp_path / "c.h5") == replicas
    assert len(replicas.to_dict()["pauses"]) == 10
    out = io.StringIO()
    print_cluster(replicas, out)
    assert "10 rewrites" in out.getvalue()
    assert "of the time of a machine" in out.getvalue()
    assert "upkeep" in str(cluster_sections(replicas))


def test_a_file_with_a_pause_of_no_machine_is_refused(replicas: ClusterResult, tmp_path: Path) -> None:
    object.__setattr__(replicas, "pauses", (MachinePause(4, replicas.pauses[0].pause), *replicas.pauses[1:]))
    write_cluster(replicas, tmp_path / "c.h5")
    with pytest.raises(ResultFileError, match="a pause of a machine that is not in the file"):
        read_cluster(tmp_path / "c.h5")


def test_one_replica_pauses_as_the_machine_alone() -> None:
    alone = serve(load_config(PIM | SHARED), REQUESTS)
    cluster = serve(load_system(REPLICAS), REQUESTS)
    assert cluster.requests == alone.requests
    assert [each.pause for each in cluster.pauses] == list(alone.pauses)
    assert cluster.accounting == alone.accounting
    assert cluster.notes == alone.notes


def test_prefill_and_decode_machines_pause_for_their_own_weights() -> None:
    pair: dict[str, Any] = {"split": "phases", "machines": {"prefill": PIM, "decode": "tpu-llm"}}
    result = serve(load_system(pair | SHARED | {"link": "ethernet-100g"}), REQUESTS)
    assert {each.role for each in result.upkeep} == {"prefill"}
    assert [(each.machine, each.pause.due_ps // 10**12) for each in result.pauses] == [(0, 100), (0, 200)]
    machines = math.fsum(row["energy_j"] for row in result.machine_rows())
    links = math.fsum(row["energy_j"] for row in result.link_rows())
    assert machines + links == near(result.energy_j, rel=1e-12)


def test_machines_that_divide_layers_say_that_nobody_waits() -> None:
    system: dict[str, Any] = {"split": "tensor", "machines": {"chip": PIM}, "link": "ethernet-100g", "chips": 2}
    result = serve(load_system(system | SHARED), REQUESTS)
    assert "chip: requests do not wait for the upkeep of its cells, whose cost is not counted" in result.notes
    assert not result.pauses
