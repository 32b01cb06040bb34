"""Result files: a file is read back equal, and any damaged or untrusted file is refused with one sentence."""

from __future__ import annotations

import dataclasses
import os
import random
import subprocess
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from pimsim.base.errors import OutputError, ResultFileError
from pimsim.base.files import is_result_file
from pimsim.config.loading import dump_config, load_config
from pimsim.config.schema import Config
from pimsim.results import git_revision
from pimsim.results.feasibility import Provision
from pimsim.results.hdf5 import reader, writer
from pimsim.results.run_result import RESULT_VERSION, RunResult
from pimsim.results.store import SCALARS, TABLES, Kind, read_config, read_result, write_result
from pimsim.simulation import make_trace, simulate
from pimsim.steps.records import TileUse
from pimsim.version import __version__
from tests.support import strategies
from tests.support.counts import scaled
from workloads.trace import Trace, write_trace

Damage = Callable[[h5py.File], object]

BIG = 1 << 63


@pytest.fixture(scope="module")
def result() -> RunResult:
    return simulate(load_config("pim-llm", ["workload.model=gpt2-small", "workload.context_length=16"]))


@pytest.fixture(scope="module")
def data(result: RunResult, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("data") / "result.h5"
    write_result(result, path)
    return path.read_bytes()


@pytest.fixture
def path(data: bytes, tmp_path: Path) -> Path:
    """The file of `result`."""
    (tmp_path / "result.h5").write_bytes(data)
    return tmp_path / "result.h5"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, bytes]:
    """A small result and its file; small, so that a random bit of the file is often one that describes the data."""
    result = simulate(load_config("tpu-llm", ["workload.context_length=16"]))
    few = result.activities[:20]
    profiles = result.profiles[: 1 + max(each.profile for each in few)]
    result = dataclasses.replace(result, activities=few, profiles=profiles)
    path = tmp_path_factory.mktemp("image") / "result.h5"
    write_result(result, path)
    return result, path.read_bytes()


def refuses(path: Path, match: str) -> None:
    with pytest.raises(ResultFileError, match=match) as caught:
        read_result(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def equal_or_refused(path: Path, result: RunResult, what: str) -> None:
    problem = ""
    try:
        assert read_result(path) == result, what
    except ResultFileError as error:
        problem = str(error)
    assert problem.isprintable(), what
    assert len(problem) < 1000, what


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


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("latency_ps", 10**40, "attribute latency_ps holds an integer that is negative or has more than 40 digits"),
        ("tokens", -1, "attribute tokens holds an integer that is negative"),
        ("latency_ps", 0, "latency_ps is 0"),
        ("model", "x" * 2000, "attribute model holds a text of 2000 bytes, more than 1024"),
        ("model", "x\0", "attribute model holds a text with control characters"),
        ("model", "\ud800", "attribute model holds a text with control characters"),
        ("action_energies_j", {}, "action '.*' is counted but has no energy"),
    ],
)
def test_what_could_not_be_read_is_not_written(
    result: RunResult, tmp_path: Path, field: str, value: object, match: str
) -> None:
    (tmp_path / "result.h5").write_text("old")
    with pytest.raises(OutputError, match=match):
        write_result(dataclasses.replace(result, **{field: value}), tmp_path / "result.h5")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e-12])
def test_an_energy_that_is_none_is_not_written(result: RunResult, tmp_path: Path, value: float) -> None:
    energies = dict.fromkeys(result.action_energies_j, value)
    with pytest.raises(OutputError, match="dataset action_energies/energy_j holds a number"):
        write_result(dataclasses.replace(result, action_energies_j=energies), tmp_path / "result.h5")


def test_more_rows_and_bytes_than_are_read_are_not_written(
    result: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_DATA_BYTES", 1 << 10)
    with pytest.raises(OutputError, match="this result has more than"):
        write_result(result, tmp_path / "result.h5")
    monkeypatch.setattr(writer, "MAX_ROWS", 3)
    with pytest.raises(OutputError, match=r"table ops has \d+ rows, more than 3"):
        write_result(result, tmp_path / "result.h5")


@pytest.mark.parametrize("name", ["", "none/result.h5"])
def test_a_path_that_cannot_be_written(result: RunResult, tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="cannot be written: "):
        write_result(result, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_file(path: Path, result: RunResult, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left on device"):
            write_result(dataclasses.replace(result, tokens=2), path)
    assert list(path.parent.iterdir()) == [path]
    assert read_result(path) == result


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


def test_every_field_of_a_result_is_stored() -> None:
    inside = {field.name for record in (TileUse, Provision) for field in dataclasses.fields(record)}
    elsewhere = {"config", "version", "ops", "components", "activities", "profiles", "action_energies_j", "media"}
    assert ({*SCALARS} - inside) | elsewhere | {"tiles", "provision"} == {
        field.name for field in dataclasses.fields(RunResult)
    }
    assert inside - {*SCALARS} == {"load_counts"}


def test_a_file_from_outside_a_checkout_has_no_revision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        git_revision, "__file__", str(tmp_path / "site-packages" / "pimsim" / "results" / "git_revision.py")
    )
    assert git_revision.git_revision.__wrapped__() == ""


def test_the_revision_is_that_of_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.setattr(git_revision, "__file__", str(tmp_path / "pimsim" / "results" / "git_revision.py"))
    try:
        git("init")
    except OSError:
        pytest.skip("no git")
    revision = git_revision.git_revision.__wrapped__
    assert revision() == ""  # no commit yet
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "one")
    commit = git("rev-parse", "HEAD")
    git("tag", "-a", "v1", "-m", "v1")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert revision() == commit
    (tmp_path / "file").write_text("2")
    assert revision() == f"{commit}-dirty"
    monkeypatch.setenv("PATH", "")
    assert revision() == ""


# Damaged files


def test_a_truncated_file_is_refused(image: tuple[RunResult, bytes], tmp_path: Path) -> None:
    rng = random.Random(0)
    path = tmp_path / "result.h5"
    for size in {*range(17), *(rng.randrange(len(image[1])) for _ in range(50))}:
        path.write_bytes(image[1][:size])
        refuses(path, "does not have the signature of HDF5|the HDF5 file is truncated")
        with pytest.raises(ResultFileError):
            read_config(path)


def test_a_flipped_bit_is_noticed_or_does_no_harm(image: tuple[RunResult, bytes], tmp_path: Path) -> None:
    result, data = image
    path = tmp_path / "result.h5"
    for index in range(scaled(100, 5000)):
        rng = random.Random(index)
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        equal_or_refused(path, result, f"damage {index}")


def test_overwritten_stretches_are_noticed(image: tuple[RunResult, bytes], tmp_path: Path) -> None:
    result, data = image
    path = tmp_path / "result.h5"
    for index in range(scaled(50, 1000)):
        rng = random.Random(index)
        damaged, start = bytearray(data), rng.randrange(len(data))
        junk = bytes(rng.randint(1, 64)) if index % 2 else rng.randbytes(rng.randint(1, 64))
        damaged[start : start + len(junk)] = junk
        path.write_bytes(damaged[: len(data)])
        equal_or_refused(path, result, f"damage {index}")


def test_what_is_no_hdf5_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("name: x")
    os.mkfifo(tmp_path / "fifo")
    refuses(tmp_path / "text", "is not a result file: it does not have the signature of HDF5")
    refuses(tmp_path / "fifo", "is not a regular file")
    refuses(tmp_path, "is a directory")
    refuses(tmp_path / "none", "cannot be read: No such file")


# A stranger's files


def put(name: str, data: Any, **how: Any) -> Damage:
    """Put a dataset in the place of another one."""

    def damage(file: h5py.File) -> None:
        del file[name]
        values = np.asarray(data)
        file.create_dataset(name, data=values, **({"chunks": values.shape, "compression": "gzip"} | how))

    return damage


def attribute(name: str, value: Any) -> Damage:
    return lambda file: file.attrs.__setitem__(name, value)


def change(name: str, index: int, value: Any) -> Damage:
    return lambda file: file[name].__setitem__(index, value)


def replace(name: str, value: Any) -> Damage:
    """Put a link or an object in the place of another one."""

    def damage(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file[name] = value

    return damage


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(5,), dtype="<i8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(5,))
    del file["ops/macs"]
    file.create_virtual_dataset("ops/macs", layout)


def external(file: h5py.File) -> None:
    del file["ops/macs"]
    file.create_dataset("ops/macs", (5,), "<i8", external=[("/etc/passwd", 0, 40)])


def bomb(rows: int, size: int, chunk: int | None = None) -> Damage:
    """A column of `rows` integers whose packed data unpack to `size` zeros."""

    def damage(file: h5py.File) -> None:
        del file["ops/macs"]
        how = {"chunks": (chunk or rows,), "compression": "gzip"}
        dataset = file.create_dataset("ops/macs", (rows,), "<i8", **how)
        dataset.id.write_direct_chunk((0,), zlib.compress(bytes(size)))

    return damage


def rename_config(old: str, new: str) -> Damage:
    def damage(file: h5py.File) -> None:
        text = file["config"].asstr()[0].replace(old, new, 1)
        put("config", np.array([text.encode()], dtype=h5py.string_dtype("utf-8", len(text.encode()))))(file)

    return damage


def several(*damages: Damage) -> Damage:
    return lambda file: [damage(file) for damage in damages]


HOSTILE: dict[str, tuple[Damage, str]] = {
    "no format": (lambda file: file.attrs.__delitem__("format"), "attribute format is missing"),
    "other format": (attribute("format", np.bytes_(b"x")), "attribute format is not 'pimsim-result'"),
    "format of objects": (attribute("format", "pimsim-result"), "attribute format does not have the data type"),
    "format of number": (attribute("format", 1), "attribute format does not have the data type"),
    "long format": (attribute("format", np.bytes_(b"x" * 5000)), "attribute format .* too large"),
    "newer": (attribute("result_version", 3), "result_version 3 is from a newer pimsim; update pimsim"),
    "older": (attribute("result_version", 0), "result_version 0 is unknown"),
    "version list": (attribute("result_version", [1]), "attribute result_version is not a single value"),
    "version real": (attribute("result_version", 1.0), "attribute result_version does not have the data type"),
    "version empty": (attribute("result_version", h5py.Empty("<i8")), "attribute result_version is not a single"),
    "no model": (lambda file: file.attrs.__delitem__("model"), "attribute model is missing"),
    "escape in model": (attribute("model", np.bytes_(b"\x1b[2J")), "attribute model holds a text with control"),
    "half a character": (attribute("model", np.bytes_(b"\xff")), "attribute model is damaged"),
    "negative latency": (attribute("latency_ps", -5), "attribute latency_ps holds a number out of range"),
    "no latency": (attribute("latency_ps", 0), "latency_ps is 0"),
    "no number": (
        attribute("latency_ps", np.bytes_(b"1_0")),
        "attribute latency_ps holds a text that is not an integer",
    ),
    "endless number": (attribute("latency_ps", np.bytes_(b"9" * 41)), "attribute latency_ps .* too large"),
    "no config": (lambda file: file.__delitem__("config"), "dataset config is missing"),
    "two configs": (put("config", [b"a", b"b"]), "dataset config is damaged"),
    "huge config": (put("config", [b"a" * ((1 << 20) + 1)]), "dataset config .* too large"),
    "config of objects": (
        put("config", np.array(["a"], object), dtype=h5py.string_dtype()),
        "dataset config does not have the data type",
    ),
    "config of text": (put("config", [b"a"]), "dataset config is not a complete config"),
    "broken config": (put("config", [b"a: ["]), "dataset config: not valid YAML"),
    "extends": (put("config", [b"extends: /etc/passwd"]), "dataset config is not a complete config"),
    "unknown key": (rename_config("schedule", "shedule"), r"dataset config: shedule: .*did you mean schedule\?"),
    "newer config": (rename_config("schema_version: 2", "schema_version: 3"), "dataset config: .*newer"),
    "no table": (lambda file: file.__delitem__("spans"), "group spans is missing|dataset spans/profile is missing"),
    "no column": (lambda file: file.__delitem__("spans/part"), "dataset spans/part is missing"),
    "table is dataset": (several(lambda f: f.__delitem__("spans"), replace("spans", [1])), "spans/profile is missing"),
    "column is group": (lambda f: (f.__delitem__("ops/macs"), f.create_group("ops/macs")), "ops/macs is not a dataset"),
    "soft link": (replace("ops/macs", h5py.SoftLink("/ops/start_ps")), "dataset ops/macs is a link to another place"),
    "external link": (replace("ops", h5py.ExternalLink("/etc/passwd", "/")), "group ops is a link to another place"),
    "circle": (lambda file: replace("ops", file["/"])(file), "dataset ops/block is missing"),
    "virtual": (virtual, "dataset ops/macs has its data in another file"),
    "external": (external, "dataset ops/macs has its data in another file"),
    "matrix": (put("ops/macs", [[1]]), "dataset ops/macs of shape .* is not a column"),
    "scalar": (replace("ops/macs", 1), "dataset ops/macs of shape .* is not a column"),
    "few rows": (put("ops/macs", [1]), "dataset ops/macs has 1 rows, but the first column has"),
    "unpacked": (put("ops/macs", [1], compression=None), "dataset ops/macs is not one compressed chunk"),
    "other packing": (put("ops/macs", [1], compression="lzf"), "dataset ops/macs is not one compressed chunk"),
    "shuffled": (put("ops/macs", [1], shuffle=True), "dataset ops/macs is not one compressed chunk"),
    "pieces": (put("ops/macs", [1, 2], chunks=(1,)), "dataset ops/macs is not one compressed chunk"),
    "no data": (
        lambda file: (file.__delitem__("ops/macs"), file.create_dataset("ops/macs", (9,), "<i8", compression="gzip")),
        "dataset ops/macs is not one compressed chunk|dataset ops/macs is damaged",
    ),
    "contiguous": (put("ops/macs", [1], compression=None, chunks=None), "dataset ops/macs is"),
    "many rows": (bomb(1 << 40, 8, 1 << 20), "dataset ops/macs of shape .* too large to read"),
    "bomb": (bomb(8, 1 << 26), "dataset ops/macs does not decompress to the 64 bytes"),
    "short data": (bomb(8, 63), "dataset ops/macs does not decompress to the 64 bytes"),
    "floats for integers": (put("ops/macs", [1.0]), "dataset ops/macs does not have the data type of an integer"),
    "short integers": (put("ops/macs", np.array([1], "<i4")), "dataset ops/macs does not have the data type"),
    "integers for text": (put("ops/name", [1]), "dataset ops/name does not have the data type of a line of text"),
    "text for reals": (put("components/leakage_j", [b"1"]), "components/leakage_j does not have the data type"),
    "compound": (put("ops/macs", np.array([(1,)], [("x", "<i8")])), "dataset ops/macs does not have the data type"),
    "references": (
        lambda file: put("ops/macs", np.array([file.ref], dtype=h5py.ref_dtype))(file),
        "dataset ops/macs does not have the data type",
    ),
    "enum": (put("ops/macs", [1], dtype=h5py.enum_dtype({"A": 1}, "<i8")), "ops/macs does not have the data type"),
    "wide texts": (put("ops/name", [b"x" * 1025]), "dataset ops/name .* too large"),
    "negative": (change("spans/end_ps", 0, -1), "dataset spans/end_ps holds a number out of range"),
    "nan": (change("components/leakage_j", 0, np.nan), "dataset components/leakage_j holds a number out of range"),
    "infinite": (change("areas/area_m2", 0, np.inf), "dataset areas/area_m2 holds a number out of range"),
    "enormous": (change("areas/area_m2", 0, 1e300), "dataset areas/area_m2 holds a number out of range"),
    "bell": (change("spans/label", 0, b"\a"), "dataset spans/label holds a text with control characters"),
    "late profile": (change("spans/profile", 0, 10**6), "dataset spans/profile refers to 1000000, not in the file"),
    "backwards": (change("spans/start_ps", 0, 1 << 62), "a span ends before it starts"),
    "activity of no op": (
        change("activities/op", 0, 10**6),
        "activity 0 belongs to an op or profile that does not exist",
    ),
    "activity of no profile": (change("activities/profile", 1, 10**6), "activity 1 belongs to an op or profile"),
    "activity backwards": (change("activities/end_ps", 5, 1), "activity 5 ends before it starts"),
    "activity before it is ready": (change("activities/ready_ps", 0, 1 << 62), "activity 0 ends before it starts"),
    "started by none": (
        change("activities/started_by", 0, 10**6),
        "activity 0 is started by an activity that does not end",
    ),
    "started by a later one": (
        change("activities/started_by", 0, 3),
        "activity 0 is started by an activity that does not end",
    ),
    "strange action of profile": (change("profile_counts/action", 0, b"x"), "action 'x' is counted but has no energy"),
    "strange part of profile": (change("profile_parts/part", 0, b"x"), "part 'x' is not one of systolic, "),
    "part of no profile": (change("profile_parts/profile", 0, 10**6), "profile_parts/profile refers to 1000000, not"),
    "strange part": (change("parts/part", 0, b"x"), "part 'x' is not one of systolic, "),
    "strange part of span": (change("spans/part", 0, b"x"), "part 'x' is not one of systolic, "),
    "strange action": (change("counts/action", 0, b"x"), "action 'x' is counted but has no energy"),
    "part of no op": (change("parts/op", 0, 10**6), "dataset parts/op refers to 1000000, not in the file"),
    "area of nothing": (change("areas/component", 0, b"x"), "dataset areas/component refers to 'x', not in the file"),
    "same area twice": (
        several(change("areas/item", slice(None), b"x"), change("areas/component", slice(None), b"tile")),
        "table areas has the same key twice",
    ),
    "twin components": (change("components/name", slice(None), b"tile"), "'tile' occurs twice"),
    "same energy twice": (change("action_energies/action", slice(None), b"x"), "has the same key twice"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(name: str, path: Path) -> None:
    damage, match = HOSTILE[name]
    with h5py.File(path, "r+") as file:
        damage(file)
    refuses(path, match)


@contextmanager
def memory_limited(limit: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


def test_sizes_are_checked_before_anything_is_allocated(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        bomb(8, 1 << 26)(file)
    with memory_limited(1 << 22):
        refuses(path, "does not decompress")


def test_all_data_together_are_limited(path: Path, result: RunResult, monkeypatch: pytest.MonkeyPatch) -> None:
    size = path.stat().st_size
    monkeypatch.setattr(reader.Reader, "budget", 3000)
    monkeypatch.setattr(reader.Reader.__init__, "__defaults__", (10_000,))
    refuses(path, "too large to read")
    monkeypatch.setattr(reader, "MAX_FILE_BYTES", size - 1)
    refuses(path, "is larger than the")


def test_a_file_of_a_program_that_adds_something_is_still_read(path: Path, result: RunResult) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["note"] = "mine"
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
        file["spans/colour"] = [1, 2, 3]
    assert read_result(path) == result
