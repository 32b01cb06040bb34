"""All problems of a sweep file at once; axes and settings without effect; relative paths of axes."""

from __future__ import annotations

from pathlib import Path

from pimsim.studies.sweep.space.plan import load_sweep
from tests.pimsim.studies.sweep.space.plans import plan_of, refusal
from tests.support.tiny_models import tiny_model

MANY = """\
name: bad
base: pim-lmm
contexts: [12, many]
metrics: [tokens_per_s, latencies]
constraints: ["nonsense > 3"]
axes:
  machine.systolic.rows: [16, 0]
  machine.systolic.colums: [16, 32]
samplig: grid
"""


def test_all_problems_of_a_file_come_at_once() -> None:
    told = refusal(MANY).splitlines()
    assert told[0].endswith(": 7 problems")
    for number, beginning in (
        (2, "base: no such file"),
        (3, "workload.context_length: 'many' is not a whole number"),
        (4, "metrics.1: 'latencies' is not a metric"),
        (5, "constraints.0: nonsense is neither an axis"),
        (7, "machine.systolic.rows: 0 is out of range"),
        (8, "axes.machine.systolic.colums: machine.systolic.colums is not a key"),
        (9, "samplig: unknown key"),
    ):
        line = next(line for line in told if line.strip().startswith(beginning))
        assert number == 2 or line.endswith(f":{number})"), line


def test_axes_and_settings_without_effect_are_refused() -> None:
    spec = {"name": "x", "base": "pim-llm", "set": {"workload.phase": "prefill"}}
    assert "contexts: has no effect on any point" in refusal(spec | {"contexts": [8, 16]})
    assert "axes.machine.crossbar.banks: has no effect" in refusal(spec | {"axes": {"machine.crossbar.banks": [1, 2]}})
    used = {"axes": {"machine.crossbar.banks": [1, 2], "mapping.provisioning": ["per_layer", "whole_model"]}}
    assert len(load_sweep(spec | used)) == 4
    twice = spec | {"set": {"workload.batch": 4}, "axes": {"workload.batch": [1, 2]}}
    assert "set.workload.batch: 4 has no effect: an axis sets this key" in refusal(twice)


def test_relative_paths_of_an_axis_start_in_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    tiny_model(tmp_path / "models" / "tiny")
    file = tmp_path / "s.yaml"
    file.write_text("name: x\nbase: pim-llm\nmodels: [gpt2-small, models/tiny]\n", encoding="utf-8")
    assert [point[0] for point in load_sweep(file)] == ["gpt2-small", str(tmp_path / "models" / "tiny")]


def test_a_key_that_an_axis_sets_needs_no_value_in_the_base() -> None:
    """The number of newest tokens is needed by `keep: recent`, and has no default."""
    axes = {"workload.kv.recent": [16, 32], "workload.kv.sinks": [0, 4]}
    plan = plan_of(axes, set={"workload.kv.keep": "recent"})
    points = [plan.space.tree(plan[number])["workload"]["kv"] for number in range(len(plan))]
    assert [(kv["keep"], kv["recent"], kv["sinks"]) for kv in points] == [
        ("recent", 16, 0), ("recent", 16, 4), ("recent", 32, 0), ("recent", 32, 4),
    ]  # fmt: skip
    del axes["workload.kv.recent"]
    told = refusal({"name": "x", "base": "pim-llm", "set": {"workload.kv.keep": "recent"}, "axes": axes})
    assert "recent is needed by keep: recent" in told
