"""Invalid keys, values and config files end in a few lines on standard error and an exit code, without traceback."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.end_to_end.refusals import config_file, refusal
from tests.support.command_line import assert_refused, pimsim

pytestmark = pytest.mark.timeout(120)
"""For each refusal, which must not hang; it takes a tenth of a second."""


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


@pytest.mark.parametrize(
    ("override", "code", "told"),
    [
        (
            "machine.sram.capacity_bytes=63",
            3,
            "machine.sram.capacity_bytes: 63 is too small for one access of its port",
        ),
        ("machine.sram.capacity_bytes=49 KiB", 5, "set it to at least 50272"),
        ("machine.controller.store_bytes=7", 3, "machine.controller.store_bytes: 7 is too small for one command"),
    ],
)
@pytest.mark.parametrize("command", [("run",), ("run", "--set", "workload.phase=generate"), ("serve", "--count", "1")])
def test_a_buffer_that_cannot_hold_the_work_is_refused(
    command: tuple[str, ...], override: str, code: int, told: str
) -> None:
    name, *others = command
    rate = ("--poisson", "1") if name == "serve" else ()
    assert told in refusal(code, name, "pim-llm", *rate, *others, "--set", override)


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
