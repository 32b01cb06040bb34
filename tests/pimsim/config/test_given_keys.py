"""Keys that a user gives, and those that are given twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.config.given_keys import assigned, contradictions, keys_of_files


def test_an_override_sets_keys_in_si_units() -> None:
    assert assigned("machine.mesh={link_bandwidth_bps: 40 Gb/s, rows: 8}") == {
        "machine.mesh.link_bandwidth_bps": 40e9,
        "machine.mesh.rows": 8,
    }
    assert assigned("no equals sign") == {}


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        (["workload.batch=2", "workload.batch=3"], ["workload.batch"]),
        (["workload.batch=2", "workload={batch: 3}"], ["workload.batch"]),
        (["workload.batch=2", "workload.batch=2"], []),
        (["machine.mesh.link_bandwidth_bps=40 Gb/s", "machine.mesh.link_bandwidth_bps=0.04 Tb/s"], []),
        (["workload.lm_head=1", "workload.lm_head=true"], ["workload.lm_head"]),
        (["machine.host=null", "machine.host.latency_s=1 us"], []),
        (["machine.host.latency_s=1 us", "machine.host=null"], ["machine.host"]),
        (["workload.batch=2", "workload.samples=3"], []),
    ],
)
def test_two_values_of_one_key(settings: list[str], keys: list[str]) -> None:
    assert [key for key, _, _ in contradictions([(f"--set {each}", each) for each in settings])] == keys


def test_the_keys_of_a_users_file_are_those_that_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: pim-llm\nworkload:\n  batch: 1\n  samples: 8\n", encoding="utf-8")
    assert keys_of_files(path) == {"workload.samples": "mine.yaml:4"}, "the batch is that of pim-llm"
    assert keys_of_files("pim-llm") == {}


def test_a_key_that_a_file_sets_to_null_is_not_given(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: pim-llm\nworkload: {model: null, trace: t.json}\n", encoding="utf-8")
    assert set(keys_of_files(path)) == {"workload.trace"}
