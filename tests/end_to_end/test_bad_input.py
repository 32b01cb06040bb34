"""Invalid and untrusted input ends in a few lines on standard error and an exit code, without traceback or hang."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest

from pimsim.base.shipped_files import find_trace
from tests.support.command_line import assert_refused, pimsim, pimsim_process

pytestmark = pytest.mark.timeout(120)
"""For each refusal, which must not hang; it takes a tenth of a second."""

SMALL = "workload.model=gpt2-small"


def refusal(code: int, *args: str | Path, lines: int = 20) -> str:
    """Standard error of a command that is refused."""
    outcome = pimsim(*args)
    assert_refused(outcome, code, lines)
    return outcome.err


def config_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "config.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def trace_file(folder: Path, **changes: object) -> Path:
    trace = json.loads(find_trace("gpt2-medium-decode-128").read_text(encoding="utf-8"))
    path = folder / "trace.json"
    path.write_text(json.dumps(trace | changes), encoding="utf-8")
    return path


# --- keys and values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("machine.systolic.rowz=3", "machine.systolic.rowz: unknown key; did you mean rows"),
        ("machine.systolic.clock=3", "did you mean clock_hz"),
        ("rows_at_once=3", "did you mean machine.crossbar.pair.array.rows_at_once"),
        ("machin.mesh.rows=3", "did you mean machine"),
        ("machine.mesh.link_bandwidth_bps=20 ns", "'20 ns' is a time; takes a data rate, e.g. 20 Gb/s"),
        ("machine.mesh.link_bandwidth_bps=20 Gbs", "has the unknown unit 'Gbs' (did you mean Gbps?)"),
        ("machine.crossbar.pair.adc.conversion_energy_j=3 pW", "is a power; takes an energy, e.g. 45 pJ"),
        ("machine.systolic.clock_hz=fast", "is not a number with a unit"),
        ("machine.systolic.rows=3.5", "3.5 is not a whole number"),
        ("machine.systolic.rows=three", "is not a whole number"),
        ("machine.systolic.rows=[3]", "is not a whole number"),
        ("machine.systolic.rows=null", "null is not a whole number"),
        ("machine.systolic.rows=true", "true is not a whole number"),
        ("machine.systolic=3", "machine.systolic: 3 is not a section of keys"),
        ("machine.systolic.rows=0", "0 is out of range; must be >= 1 and <= 16384"),
        ("machine.systolic.rows=-1", "out of range"),
        ("machine.systolic.rows=99999999999999999999", "too large"),
        ("machine.systolic.clock_hz=1 Hz", "out of range"),
        ("machine.systolic.clock_hz=.inf", "is not a finite number"),
        ("machine.systolic.clock_hz=.nan", "is not a finite number"),
        ("machine.systolic.dataflow=sw", "is not one of os, ws, is"),
        ("machine.mesh.placement=shels", "is not one of rows, snake, shells, diagonals; did you mean shells?"),
        ("schedule=parallel", "is not one of serial"),
        ("operations_per_mac=3", "is not one of 1, 2"),
        ("workload.context_length=0", "0 is out of range; must be >= 1 and <= 1048576"),
        ("workload.context_length=1000000000", "1000000000 is out of range; must be >= 1 and <= 1048576"),
        ("workload.model=null", "either model or trace must be given"),
        ("machine.mesh=null", "crossbar and mesh belong together"),
        ("mapping.placement_groups=[[q, k, v, o]]", "must name each of q, k, v, o, ffn_gate, ffn_up, ffn_down"),
        ("mapping.placement_groups=[]", "placement_groups"),
        ("machine.crossbar.pair.array.rows_at_once=512", "rows_at_once"),
        ("nonsense", "an override is written key.of.section=value"),
        ("=3", "override"),
        ("machine..mesh=3", "override"),
        ("machine.systolic.rows=[", "machine.systolic.rows"),
        ("x" * 5000 + "=3", "operations_per_mac"),
        ("machine.systolic.rows=" + "9" * 5000, "machine.systolic.rows"),
        ("name=" + "x" * 5000, "name"),
        ("machine.systolic.rows=\x1b[2Jclear", "control characters are not allowed"),
        ("machine.systolic.rows=\udcff", "machine.systolic.rows"),
        ("schema_version=3", "schema_version"),
    ],
    ids=lambda value: value[:40].encode("ascii", "backslashreplace").decode(),
)
def test_a_wrong_key_or_value_is_reported(override: str, told: str) -> None:
    assert told in refusal(3, "run", "pim-llm", "--set", override)


def test_several_mistakes_are_reported_together() -> None:
    wrong = {
        "machine.systolic.rowz=3": "machine.systolic.rowz: unknown key",
        "machine.mesh.link_bandwidth_bps=20 ns": "machine.mesh.link_bandwidth_bps: '20 ns' is a time",
        "machine.sram.capacity_bytes=0": "machine.sram.capacity_bytes: 0 is out of range",
        "machine.vector.softmax=fast": "machine.vector.softmax: 'fast' is not one of consmax, exact",
        "workload.embedding=maybe": "workload.embedding: 'maybe' is neither true nor false",
        "workload.context_length=0": "workload.context_length: 0 is out of range",
        "oops": "an override is written key.of.section=value, not 'oops'",
    }
    error = refusal(3, "run", "pim-llm", *(f"--set={override}" for override in wrong))
    assert f"pimsim: pim-llm: {len(wrong)} problems" in error
    assert len(error.splitlines()) == 1 + len(wrong)
    assert all(told in error for told in wrong.values())
    assert error.count("(--set)") == len(wrong)


def test_mistakes_in_a_file_and_on_the_command_line_are_reported_together(tmp_path: Path) -> None:
    path = config_file(tmp_path, "extends: pim-llm\nmachine:\n  systolic:\n    rows: 0\n    colums: 4\n")
    error = refusal(3, "run", path, "--set", "schedule=fast")
    assert "3 problems" in error
    assert re.search(r"machine\.systolic\.rows: 0 is out of range.*config\.yaml:4", error)
    assert re.search(r"machine\.systolic\.colums: unknown key; did you mean columns.*config\.yaml:5", error)
    assert re.search(r"schedule: 'fast' is not one of serial.*\(--set\)", error)


def test_hundreds_of_mistakes_are_not_all_printed(tmp_path: Path) -> None:
    path = config_file(tmp_path, "\n".join(f"key{number}: {number}" for number in range(500)))
    error = refusal(3, "run", path, lines=22)
    assert "500 problems" in error
    assert error.rstrip().endswith("... and 480 more")


@pytest.mark.parametrize("context", ["0", "-1", "1000000000", "9" * 100])
def test_a_context_that_no_model_has_is_refused_by_trace_make(context: str, tmp_path: Path) -> None:
    outcome = pimsim("trace", "make", "gpt2-small", "--context", context, "--out", tmp_path / "t.json")
    assert_refused(outcome, outcome.code)
    assert outcome.code in (2, 3, 4)
    assert "context" in outcome.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", ["gpt5", "", "opt-6.7", "x" * 5000, "../../etc/passwd", "\udcff"])
def test_an_unknown_model_is_reported(model: str) -> None:
    error = refusal(4 if model.isprintable() and len(model) < 200 else 3, "trace", "make", model, "--context", "3")
    if model == "opt-6.7":
        assert "opt-6.7b" in error


# --- config files ---------------------------------------------------------------------------------------------------

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{below}'] * 10)}]\n" for below, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty"),
        ("\n# only a comment\n", "is empty"),
        ("- a\n- b\n", "config.yaml"),
        ("just text", "config.yaml"),
        ("machine: [1, 2", "not valid YAML: line 2"),
        ("machine:\n\tmesh: 3", "not valid YAML: line 2"),
        ("name: a\nname: b\n", "line 2: the key 'name' occurs twice"),
        ("1: 2\n", "line 1: a key must be a string"),
        ("name: !!python/object/apply:os.system [echo owned]\n", "is not allowed"),
        ("a: &a [*a]", "*a contains itself"),
        ("a: *b", "*b refers to no earlier anchor"),
        ("---\nname: a\n---\nname: b\n", "a second document starts"),
        (BOMB, "more than 5000 values, aliases expanded"),
        ("[" * 100_000, "nested more than"),
        ("{a: " * 100_000, "nested more than"),
        ("a: " + "[" * 30 + "]" * 30 + "\n", "a: unknown key"),
        (b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 40, "config.yaml"),
        (b"\x89PNG\r\n\x1a\n" + bytes(1000), "config.yaml"),
        (b"name: \xff\xfe\n", "config.yaml"),
        (b"\x00" * 4096, "config.yaml"),
        ("extends: nothing-of-this-name\n", "nothing-of-this-name: no such file, and no shipped config with this name"),
        ("extends: config.yaml\n", "extends"),
        ("extends: [pim-llm, 3]\n", "extends"),
        ("extends: ../../../etc/passwd\n", "passwd"),
        ("extends: /dev/zero\n", "is not a regular file"),
        ("schema_version: 99\n", "schema_version"),
    ],
    ids=lambda value: repr(value)[:40].encode("ascii", "backslashreplace").decode(),
)
def test_a_file_that_is_not_a_config_is_refused(content: str | bytes, told: str, tmp_path: Path) -> None:
    assert told in refusal(3, "run", config_file(tmp_path, content))


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse: takes no space
    assert "is larger than the" in refusal(3, "run", path)
    assert "larger than" in refusal(4, "trace", "show", path)


@pytest.mark.parametrize("path", ["/", ".", "", "no/such/file.yaml", "/dev/null", "x" * 300, "a\nb", "\x1b[2J"])
def test_a_path_that_is_not_a_file_is_refused(path: str) -> None:
    refusal(3, "run", path)
    refusal(4, "run", "pim-llm", f"--trace={path}")
    refusal(4, "trace", "show", path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission_is_refused(tmp_path: Path) -> None:
    path = config_file(tmp_path, "extends: pim-llm\n")
    path.chmod(0)
    assert "Permission denied" in refusal(3, "run", path)


# --- traces ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"schema_version": 1}',
        b"\x00" * 1000,
        b"\xff\xfe{}",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"9" * 100_000,
        b"NaN",
        b'{"schema_version": 1, "schema_version": 1}',
        find_trace("gpt2-medium-decode-128").read_bytes()[:-200],
        find_trace("gpt2-medium-decode-128").read_bytes() * 2,
        b"\x89HDF\r\n\x1a\n" + bytes(1000),
        b"extends: pim-llm\n",
    ],
    ids=lambda value: repr(value[:20]),
)
def test_a_file_that_is_not_a_trace_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_bytes(content)
    assert "trace.json" in refusal(4, "run", "pim-llm", "--trace", path)
    assert "trace.json" in refusal(4, "trace", "show", path)


@pytest.mark.parametrize(
    "changes",
    [
        {"schema_version": 2},
        {"schema_version": None},
        {"context_length": 0},
        {"context_length": 10**30},
        {"tokens": 0},
        {"tokens": True},
        {"model": ""},
        {"model": "\x1b[2J"},
        {"blocks": []},
        {"blocks": [{"name": "layer", "repeat": 1, "ops": []}]},
        {"blocks": [{"name": "layer", "repeat": 0, "ops": [{"kind": "magic"}]}]},
        {"blocks": [{"name": "layer", "repeat": 1, "ops": [{"kind": "norm"}] * 50}]},
        {"extra": 1},
    ],
    ids=str,
)
def test_a_malformed_trace_is_refused(changes: dict[str, object], tmp_path: Path) -> None:
    refusal(4, "run", "pim-llm", "--trace", trace_file(tmp_path, **changes))


def test_more_work_than_can_be_simulated_is_refused_before_it_runs() -> None:
    error = refusal(4, "run", "pim-llm", "--set", "workload.context_length=1048576", "--set", "machine.vector.lanes=1",
                    "--set", "machine.systolic.rows=1", "--set", "machine.memory.block_bytes=64")  # fmt: skip
    assert re.search(r"would step through [\d,]+ events, more than the [\d,]+ allowed", error)


def test_an_array_with_millions_of_passes_is_refused_quickly() -> None:
    """One row and one column at a time give 88 million events. Building the steps one by one took 40 s."""
    array = "machine.crossbar.pair.array"
    sizes = {"rows": 2048, "columns": 256, "rows_at_once": 1, "adcs": 1}
    settings = [f"--set={array}.{key}={value}" for key, value in sizes.items()]
    assert "events" in refusal(4, "run", "pim-llm", "--set", SMALL, *settings)


# --- what cannot be written -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--csv", "--out"])
@pytest.mark.parametrize("name", ["", ".", "folder", "no/such/folder/file", "file/below", "x" * 300])
def test_a_path_that_cannot_be_written_is_refused(
    option: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").write_text("mine", encoding="utf-8")
    refusal(7, "run", "pim-llm", "--set", SMALL, f"{option}={name}")
    refusal(7, "trace", "make", "gpt2-small", "--context=3", f"--out={name}")
    assert {path.name for path in tmp_path.rglob("*")} == {"folder", "file"}
    assert Path("file").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["file", "file/below", "x" * 300])
def test_a_folder_that_cannot_be_made_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine", encoding="utf-8")
    refusal(7, "reproduce", "fig1b", f"--csv={name}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("device", ["null", "stdout"])
@pytest.mark.parametrize(
    "command",
    [
        ["run", "pim-llm", "--set", SMALL, "--csv"],
        ["run", "pim-llm", "--set", SMALL, "--out"],
        ["trace", "make", "gpt2-small", "--context", "3", "--out"],
    ],
    ids=lambda command: f"{command[0]} {command[-1]}",
)
def test_a_device_is_neither_written_nor_replaced(command: list[str], device: str, tmp_path: Path) -> None:
    """For root, renaming a file onto /dev/null would replace the device, so the test uses a copy of it."""
    path = tmp_path / device
    if device == "stdout":
        path.symlink_to("/proc/self/fd/1")  # as /dev/stdout is
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except OSError:
            pytest.skip("only root can make a device")
    before = path.lstat()
    refusal(7, *command, path)
    assert (path.lstat().st_mode, path.lstat().st_ino) == (before.st_mode, before.st_ino)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        refusal(7, "run", "pim-llm", "--set", SMALL, "--csv", tmp_path / "x.csv")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("option", ["--csv", "--out"])
def test_an_existing_file_is_kept_when_the_run_fails(option: str, tmp_path: Path) -> None:
    path = tmp_path / "result"
    path.write_text("older", encoding="utf-8")
    refusal(5, "run", "defaults", "--set", "workload.model=opt-6.7b", option, path)
    assert path.read_text(encoding="utf-8") == "older"
    assert list(tmp_path.iterdir()) == [path]


# --- result files ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("result") / "result.h5"
    assert pimsim("run", "pim-llm", "--set", SMALL, "--out", path).ok
    return path.read_bytes()


@pytest.mark.parametrize("keep", [8, 100, 1000, 0.5, 0.9])
def test_a_truncated_result_file_is_refused(keep: float, result_file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "result.h5"
    path.write_bytes(result_file[: int(keep if keep > 1 else keep * len(result_file))])
    assert "result.h5" in refusal(8, "run", path)


def test_a_result_file_with_random_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "result.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 64)
    assert "result.h5" in refusal(8, "run", path)


def test_another_hdf5_file_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["data"] = [1, 2, 3]
    assert "other.h5" in refusal(8, "run", path)


def test_a_result_file_is_not_a_trace(result_file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "result.h5"
    path.write_bytes(result_file)
    refusal(4, "run", "pim-llm", "--trace", path)
    refusal(4, "trace", "show", path)


# --- what might hang, each in a process that can be stopped ---------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "args"),
    [
        (3, ["run", "{pipe}"]),
        (4, ["run", "pim-llm", "--trace", "{pipe}"]),
        (4, ["trace", "show", "{pipe}"]),
        (7, ["run", "pim-llm", "--set", SMALL, "--csv", "{pipe}"]),
        (7, ["run", "pim-llm", "--set", SMALL, "--out", "{pipe}"]),
        (7, ["reproduce", "fig1b", "--csv", "{pipe}"]),
        (3, ["run", "/dev/zero"]),
        (4, ["trace", "show", "/dev/zero"]),
        (3, ["run", "/dev/stdin"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_a_pipe_or_device_without_end_is_not_waited_for(code: int, args: list[str], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert_refused(pimsim_process(*(str(pipe) if each == "{pipe}" else each for each in args)), code)
    assert pipe.is_fifo()


def test_a_pipe_that_a_config_extends_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert_refused(pimsim_process("run", config_file(tmp_path, "extends: pipe\n")), 3)


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    assert_refused(pimsim_process("run", b"no-\xff-file"), 3)
    assert_refused(pimsim_process("run", "pim-llm", "--set", b"name=\xff"), 3)
    assert_refused(pimsim_process("reproduce", b"\xff"), 2)
