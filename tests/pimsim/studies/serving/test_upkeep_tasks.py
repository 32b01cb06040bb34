"""What is due for the cells of a serving machine: against the upkeep of `pimsim run`, and when there is none."""

from __future__ import annotations

from typing import Any

import pytest

from pimsim import load_config, poisson_requests, serve, simulate
from pimsim.base.errors import WorkloadInputError
from pimsim.studies.serving.upkeep_pauses import UpkeepTask, pause_figures
from pimsim.studies.serving.upkeep_tasks import checked_tasks, upkeep_notes, upkeep_tasks
from tests.support.closeness import near

PAIR = "machine.crossbar.pair"
REWRITTEN = ["workload.model=gpt2-small", "machine.crossbar.rewrite_interval_s=600"]
CHECKED = [f"{PAIR}.upkeep.drift_compensation=global", f"{PAIR}.upkeep.interval_s=60"]


@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
@pytest.mark.parametrize("settings", [REWRITTEN, [REWRITTEN[0], *CHECKED], [*REWRITTEN, *CHECKED]])
def test_figures_are_those_of_a_run(settings: list[str], schedule: str) -> None:
    config = load_config("pim-llm", [*settings, f"schedule={schedule}"])
    tasks, upkeep = list(upkeep_tasks(config)), simulate(config).feasibility.upkeep
    assert upkeep is not None
    found = {each.kind: (each.latency_ps * 1e-12, each.energy_j) for each in tasks}
    if upkeep.rewrite_interval_s is not None:
        assert found["rewrite"] == (near(upkeep.rewrite_s), near(upkeep.rewrite_energy_j))
    if upkeep.check_interval_s is not None:
        assert found["check"] == (near(upkeep.check_s), near(upkeep.check_energy_j))
    figures = pause_figures(tasks, ())
    assert figures["upkeep_average_share"] == near(upkeep.unavailable_share)
    assert figures["upkeep_average_w"] == near(upkeep.power_w)


@pytest.mark.parametrize(
    ("machine", "settings"),
    [
        ("pim-llm", [REWRITTEN[0]]),
        ("tpu-llm", [REWRITTEN[0]]),
        ("pim-llm", [*REWRITTEN, "mapping.projections=systolic"]),
        ("pim-llm", [*REWRITTEN, "mapping.provisioning=swap", "machine.mesh.rows=4", "machine.mesh.columns=8"]),
    ],
)
def test_nothing_is_due_without_weights_that_stay_on_the_chip(machine: str, settings: list[str]) -> None:
    assert list(upkeep_tasks(load_config(machine, settings))) == []
    assert list(upkeep_notes(())) == []


def test_upkeep_that_never_ends_is_refused() -> None:
    """A rewrite of gpt2-small takes about 6.6 ms."""
    config = load_config("pim-llm", [REWRITTEN[0], "machine.crossbar.rewrite_interval_s=0.005"])
    with pytest.raises(WorkloadInputError, match=r"_s: a rewrite of 6\.\d+ ms every 5 ms takes 133% of"):
        serve(config, poisson_requests(1.0, 2))
    together = [UpkeepTask("rewrite", 100, 50, 1.0), UpkeepTask("check", 10, 5, 1.0)]
    assert checked_tasks(together[:1]) == tuple(together[:1])
    with pytest.raises(WorkloadInputError, match=r"s and machine.*100 ps and a check of 5 ps every 10 ps take 100%"):
        checked_tasks(together)
    with pytest.raises(WorkloadInputError, match=r"rewrite_interval_s: is shorter than a picosecond"):
        checked_tasks([together[0]._replace(interval_ps=0)])


def test_the_weights_of_a_draft_model_are_rewritten_too() -> None:
    speculation: dict[str, Any] = {"method": "draft", "draft_model": "gpt2-small", "tokens": 2, "acceptance": 0.5}
    config = load_config(
        {
            "extends": ["pim-llm"],
            "workload": {"model": "gpt2-medium"},
            "machine": {"crossbar": {"rewrite_interval_s": 0.2}},
            "serving": {"speculation": speculation},
        }
    )
    result = serve(config, poisson_requests(5.0, 3, prompt=8, output=12))
    alone = [load_config("pim-llm", [*REWRITTEN, f"workload.model={model}"]) for model in ("gpt2-medium", "gpt2-small")]
    assert [each.latency_ps for each in result.upkeep] == [
        task.latency_ps for each in alone for task in upkeep_tasks(each)
    ]
    assert len(result.pauses) >= 2
    assert "requests wait for each rewrite of the cells, which are new" in " ".join(result.notes)
