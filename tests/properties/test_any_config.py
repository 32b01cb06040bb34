"""Any valid config runs, is stored, is read again and is reported, with parts that add up.

`tests.support.schema_strategies` derives the configs from the schema, so that new keys are covered. Everything is
computed a second time here, from the counts, from the powers of the components and from what is printed.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, reject, settings

from pimsim import load_config, simulate
from pimsim.base.errors import PimsimError
from pimsim.config.schema import Config
from pimsim.engine import execute
from pimsim.hardware.machine import build_machine
from pimsim.present.formats import to_csv, to_json
from pimsim.present.text.explanation_report import print_explanation
from pimsim.present.text.run_report import print_run
from pimsim.results.explanation import explain
from pimsim.results.run_result import RunResult
from pimsim.results.store import read_config, read_result, write_result
from pimsim.simulation import make_trace
from tests.support.closeness import near
from tests.support.counts import scaled
from tests.support.documents import leaves
from tests.support.printed import printed
from tests.support.programs import program_of
from tests.support.schema_strategies import (
    BASES,
    UNLIMITED,
    UNUSED,
    base_tree,
    put,
    tiny_configs,
    valid_configs,
    varied,
)

PARTS = scaled(1, 20)
"""The deep count in parts: workers share them, and Hypothesis slows down over thousands of examples of one test."""
COUNT = scaled(14, 5_000 // PARTS)
MOST_EVENTS = 20_000
SCHEDULES = ("serial", "dataflow", "contended")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any-config")


@pytest.fixture(scope="module")
def models(folder: Path) -> list[str]:
    return tiny_configs(folder)


def with_schedule(config: Config, schedule: str) -> Config:
    return config.model_copy(update={"schedule": schedule})


def run_or_reject(config: Config) -> RunResult:
    """Run a config; one that the chip cannot hold, or that takes too many events, is refused with one message."""
    message = ""
    try:
        return simulate(config)
    except PimsimError as error:
        message = str(error)
    assert message.strip()
    assert message.replace("\n", "").isprintable()
    return reject()


@pytest.mark.timeout(300 + 4 * COUNT)
@pytest.mark.parametrize("part", range(PARTS))
def test_any_config_runs_and_is_reported_with_parts_that_add_up(part: int, models: list[str], folder: Path) -> None:
    @settings(
        max_examples=COUNT,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(config=valid_configs(models))
    def adds_up(config: Config) -> None:
        assert_adds_up(config, folder)

    adds_up()


def assert_adds_up(config: Config, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "MAX_EVENTS", MOST_EVENTS)
        results = {schedule: run_or_reject(with_schedule(config, schedule)) for schedule in SCHEDULES}
        for result in results.values():
            assert_times_add_up(result)
            assert_energies_add_up(result)
            assert_reports_add_up(result)
        assert_stored(results[config.schedule], folder)
        serial = results["serial"]
        assert program_of(serial.config, make_trace(serial.config)).serial_latency_ps() == serial.latency_ps
        assert_contended_is_dataflow_when_unlimited(config)


def assert_times_add_up(result: RunResult) -> None:
    assert sum(result.parts_ps.values()) == result.latency_ps
    assert sum(
        part for activity in result.critical_path for part in parts_of(result, activity.profile, activity.op)
    ) == (result.latency_ps)
    for component in result.components:
        assert 0 <= component.busy_ps <= max(component.units, 1) * result.latency_ps
    if result.config.schedule == "serial":
        assert sum(op.repeat * op.latency_ps for op in result.ops) == result.latency_ps
        assert all(sum(op.parts_ps.values()) == op.latency_ps for op in result.ops)


def parts_of(result: RunResult, profile: int, op: int) -> list[int]:
    return [result.ops[op].repeat * each for each in result.profiles[profile].parts_ps.values()]


def assert_energies_add_up(result: RunResult) -> None:
    """Counts of the activities times the energy of an action, and power times time of each component."""
    counts: Counter[str] = Counter()
    for activity in result.activities:
        for action, count in result.profiles[activity.profile].counts.items():
            counts[action] += result.ops[activity.op].repeat * count
    assert {action: count for action, count in counts.items() if count} == {
        action: count for action, count in result.counts.items() if count
    }
    assert all(count >= 0 for count in counts.values())
    dynamic = [count * result.action_energies_j[action] for action, count in counts.items()]
    leakage_w = {each.name: each.leakage_w() for each in build_machine(result.config.machine).components()}
    leakage = []
    for component in result.components:
        always_ps = component.units * result.latency_ps
        time_ps = {
            "ungated": always_ps,
            # A tier of the KV cache keeps its data, so that it is not gated.
            "idle_gated": always_ps if component.name.startswith("kv_") else component.busy_ps,
            "not_charged": 0,
        }[result.config.leakage_gating]
        leakage.append(leakage_w[component.name] * float(Fraction(time_ps, 10**12)))
        assert component.leakage_j == near(leakage[-1])
    assert result.energy_j == near(math.fsum([*dynamic, *leakage]))
    assert math.fsum(result.component_energy_j(each.name) for each in result.components) == near(result.energy_j)


def assert_reports_add_up(result: RunResult) -> None:
    """JSON and CSV: totals of what is printed."""
    shown = json.loads(to_json(result.to_dict()))
    summary = shown["summary"]
    assert math.fsum(shown["latency_s_by_part"].values()) == near(summary["latency_s"])
    assert math.fsum(shown["energy_j_by_action"].values()) == near(summary["energy_j"])
    assert math.fsum(each["energy_j"] for each in shown["components"]) == near(summary["energy_j"])
    areas = [area for each in shown["components"] for area in each["area_mm2"].values()]
    assert math.fsum(areas) == near(summary["area_mm2"])
    rows = list(csv.DictReader(io.StringIO(to_csv(result.op_rows()))))
    leakage_j = math.fsum(each.leakage_j for each in result.components)
    energies = [int(row["repeat"]) * float(row["energy_j"]) for row in rows]
    assert math.fsum([*energies, leakage_j]) == near(summary["energy_j"])
    assert sum(int(row["repeat"]) * int(row["macs"]) for row in rows) == summary["macs"]
    if result.config.schedule == "serial":
        assert math.fsum(int(row["repeat"]) * float(row["latency_s"]) for row in rows) == near(summary["latency_s"])
    json.loads(to_json(explain(result).to_dict()))


def assert_stored(result: RunResult, folder: Path) -> None:
    """The file holds the result, its config can be run again, and a report of it is the same text."""
    path = folder / "result.h5"
    path.unlink(missing_ok=True)
    write_result(result, path)
    again = read_result(path)
    assert again == result
    text = printed(print_run, result)
    assert result.config.name in text
    assert printed(print_run, again) == text
    assert printed(print_explanation, explain(again))
    assert load_config(read_config(path).model_dump(mode="json")) == result.config


def assert_contended_is_dataflow_when_unlimited(config: Config) -> None:
    tree = config.model_dump(mode="json")
    for key, value in UNLIMITED.items():
        put(tree, key, value)
    try:
        free = load_config(tree)
        flow, contended = (simulate(with_schedule(free, schedule)) for schedule in ("dataflow", "contended"))
    except PimsimError:
        return  # without a timing table, for example, the bandwidth of the memory can have another bound
    assert contended.latency_ps == flow.latency_ps
    assert contended.counts == flow.counts
    assert contended.energy_j == near(flow.energy_j)


def test_every_number_and_choice_that_a_run_reads_is_varied(models: list[str]) -> None:
    """A key that is added to the schema and is not varied fails here: it needs a line in SPECIAL, or in NOT_VARIED."""
    for names in BASES:
        tree = base_tree(names, models[0])
        keys = (*(key for key, _ in varied(tree)), *UNUSED, *NOT_VARIED)
        assert [
            key for key in leaves(tree) if not any(key == each or key.startswith(f"{each}.") for each in keys)
        ] == []


NOT_VARIED = (
    "workload.model",  # drawn apart from the other keys
    *("machine.roofline", "machine.rom", "machine.dram_pim", "machine.transpim"),  # null but in bases that have them
    "machine.memory.part",
    "machine.memory.dram",  # null in some bases and a part's table in others
    "machine.crossbar",  # null in the bases of TPU-LLM
    "machine.mesh",
    "machine.crossbar.pair.noise",  # numbers without bounds; noise has no effect on time and energy
)
