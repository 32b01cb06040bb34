"""Result files: a file is read back equal, and is readable without pimsim."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from pimsim.base.files import is_result_file
from pimsim.config.loading import dump_config, load_config
from pimsim.config.schema import Config
from pimsim.results.feasibility import Provision
from pimsim.results.run_result import RESULT_VERSION, RunResult
from pimsim.results.store import SCALARS, TABLES, Kind, read_config, read_result, write_result
from pimsim.simulation import make_trace, simulate
from pimsim.steps.records import TileUse
from pimsim.version import __version__
from tests.support import strategies
from tests.support.counts import scaled
from workloads.trace import Trace, write_trace

BIG = 1 << 63


# Round trips


@pytest.mark.parametrize("name", ["pim-llm", "tpu-llm"])
@pytest.mark.parametrize("expand", [False, True])
def test_a_result_comes_back_equal(name: str, expand: bool, tmp_path: Path) -> None:
    model = ["workload.model=gpt2-small", "workload.context_length=4", "leakage_gating=ungated"]
    result = simulate(load_config(name, model), expand=expand)
    write_result(result, tmp_path / "result.h5")
    again = read_result(tmp_path / "result.h5")
    assert again == result
    assert again.to_dict() == result.to_dict()
    assert type(again.activities[0]) is type(result.activities[0])
    assert type(again.profiles[0].spans[0]) is type(result.profiles[0].spans[0])
    assert again.critical_path == result.critical_path


@given(strategies.runs())
@settings(max_examples=scaled(15, 500))
def test_random_results_come_back_equal(tmp_path_factory: pytest.TempPathFactory, run: tuple[Config, Trace]) -> None:
    path = tmp_path_factory.getbasetemp() / "random.h5"
    result = simulate(*run)
    write_result(result, path)
    assert read_result(path) == result
    assert read_config(path) == result.config


def test_a_run_is_repeated_from_its_file(path: Path, result: RunResult) -> None:
    assert read_config(path) == result.config
    assert simulate(read_config(path)) == read_result(path) == result


def test_a_run_of_a_trace_file_is_repeated_from_its_file(tmp_path: Path) -> None:
    write_trace(make_trace(load_config("tpu-llm", ["workload.context_length=16"])), tmp_path / "trace.json")
    result = simulate(load_config("tpu-llm", [f"workload.trace={tmp_path / 'trace.json'}"]))
    write_result(result, tmp_path / "result.h5")
    assert simulate(read_config(tmp_path / "result.h5")) == read_result(tmp_path / "result.h5") == result


def test_a_result_without_rows_comes_back(result: RunResult, tmp_path: Path) -> None:
    nothing = dataclasses.replace(
        result, ops=(), components=(), activities=(), profiles=(), action_energies_j={}, provision=Provision()
    )
    write_result(nothing, tmp_path / "result.h5")
    assert read_result(tmp_path / "result.h5") == nothing


@pytest.mark.parametrize("number", [BIG - 1, BIG, 10**40 - 1])
def test_integers_of_any_sensible_size_come_back(result: RunResult, tmp_path: Path, number: int) -> None:
    components = (dataclasses.replace(result.components[0], busy_ps=number), *result.components[1:])
    large = dataclasses.replace(result, latency_ps=number, components=components)
    write_result(large, tmp_path / "result.h5")
    assert read_result(tmp_path / "result.h5") == large
    with h5py.File(tmp_path / "result.h5") as file:
        assert int(file.attrs["latency_ps"]) == number
        assert int(file["components/busy_ps"][0]) == number
        assert (file["components/busy_ps"].dtype == np.int64) is (number < BIG)


# The format, for those who read it without pimsim


def test_a_file_is_read_without_pimsim(path: Path, result: RunResult) -> None:
    assert is_result_file(path)
    with h5py.File(path) as file:
        assert file.attrs["format"] == b"pimsim-result"
        assert file.attrs["result_version"] == RESULT_VERSION
        assert file.attrs["pimsim_version"].decode() == __version__
        assert pd.Timestamp(file.attrs["created"].decode()).tzinfo is not None
        assert file.attrs["latency_ps"] == result.latency_ps
        assert file.attrs["tiles_used"] == result.tiles.tiles_used
        assert file["config"].asstr()[0] == dump_config(result.config)
        spans = pd.DataFrame({name: column[:] for name, column in file["spans"].items()})
        every = [span for profile in result.profiles for span in profile.spans]
        assert list(spans.columns) == ["profile", *every[0]._fields]
        assert list(file["spans/label"].asstr()[:]) == [span.label for span in every]
        activities = pd.DataFrame({name: column[:] for name, column in file["activities"].items()})
        assert activities.end_ps.max() == max(each.end_ps for each in result.activities)
        assert list(file["activities/name"].asstr()[:]) == [each.name for each in result.activities]
        durations = file["profiles/duration_ps"][:][activities.profile]
        assert list(activities.end_ps - activities.start_ps) == list(durations)
        assert list(activities.started_by - 1) == [each.cause for each in result.activities]
        assert all(spans.end_ps <= file["profiles/duration_ps"][:][spans.profile])
        for table, columns in TABLES.items():
            assert list(file[table]) == list(columns)
            for name, kind in columns.items():
                assert file[table][name].compression == "gzip" or not file[table][name].size
                assert kind is Kind.TEXT or file[table][name].dtype.str in ("<i8", "<f8")


def test_a_result_without_notes_has_no_table_of_them(result: RunResult, tmp_path: Path) -> None:
    assert result.notes
    write_result(dataclasses.replace(result, notes=()), tmp_path / "r.h5")
    with h5py.File(tmp_path / "r.h5") as file:
        assert "notes" not in file


def test_every_field_of_a_result_is_stored() -> None:
    inside = {field.name for record in (TileUse, Provision) for field in dataclasses.fields(record)}
    elsewhere = {"config", "version", "ops", "components", "activities", "profiles", "action_energies_j", "media"}
    elsewhere |= {"notes", "memory_use", "accounting", "plugins"}
    assert ({*SCALARS} - inside) | elsewhere | {"tiles", "provision"} == {
        field.name for field in dataclasses.fields(RunResult)
    }
    assert inside - {*SCALARS} == {"load_counts"}


def test_notes_are_stored(result: RunResult, tmp_path: Path) -> None:
    noted = dataclasses.replace(result, notes=("its tail is not modelled", "é"))
    write_result(noted, tmp_path / "noted.h5")
    assert read_result(tmp_path / "noted.h5") == noted
