import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pimsim.base.errors import ConfigError
from pimsim.base.shipped_files import list_configs
from pimsim.config.loading import config_schema_json, dump_config, load_as, load_config, load_config_text
from pimsim.config.validation import validate
from pimsim.config.yaml_tree import parse_yaml


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Mesh(Section):
    rows: int = Field(ge=1, le=64)
    link_bandwidth_bps: float = Field(gt=0)
    placement: Literal["snake", "shells"]


class Crossbar(Section):
    adcs: int
    read_pulse_s: float = Field(gt=0, le=1e-6)
    levels_s: tuple[float, ...]


class Memory(Section):
    capacity_bytes: int = Field(ge=1)
    limit: Literal["off"] | Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _small(self) -> "Memory":
        if self.capacity_bytes > 2**40:
            raise ValueError("capacity_bytes must fit the chip")
        return self


class Machine(Section):
    mesh: Mesh
    crossbar: Crossbar | None
    memory: Memory


class Root(Section):
    schema_version: Literal[2]
    name: str
    gating: Literal["off", "idle"]
    machine: Machine


DEFAULTS = """\
schema_version: 2
name: defaults
gating: off
machine:
  mesh: {rows: 8, link_bandwidth_bps: 20 Gb/s, placement: shells}
  crossbar: {adcs: 128, read_pulse_s: 3.16 ns, levels_s: [1 ns, 2e-9]}
  memory: {capacity_bytes: 8 MiB, limit: off}
"""

Load = Callable[..., Root]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads over DEFAULTS, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    defaults = tmp_path / "base.yaml"
    defaults.write_text(DEFAULTS)

    def load(source: Any, *overrides: str) -> Root:
        return load_as(Root, source, overrides, defaults)

    return load


def write(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def problems(load: Load, source: Any, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(source, *overrides)
    return [str(problem) for problem in caught.value.problems]


def test_units_become_si_numbers(load: Load) -> None:
    config = load({})
    assert config.machine.mesh.link_bandwidth_bps == 20e9
    assert config.machine.crossbar == Crossbar(adcs=128, read_pulse_s=3.16e-9, levels_s=(1e-9, 2e-9))
    assert config.machine.memory.capacity_bytes == 8 * 2**20
    assert config.gating == "off"


def test_files_extend_files_and_overrides_win(load: Load) -> None:
    Path("sub").mkdir()
    write("sub/grand.yaml", "name: grand\nmachine: {mesh: {rows: 2, placement: snake}}")
    write("sub/parent.yaml", "extends: grand.yaml\nname: parent\nmachine: {crossbar: {levels_s: [5 ns]}}")
    write("other.yaml", "machine: {mesh: {rows: 3}}")
    child = write("child.yaml", "extends: [sub/parent.yaml, other]\ngating: idle")
    write("other", "machine: {mesh: {rows: 4}}")
    config = load(child, "machine.mesh.link_bandwidth_bps=1 Gb/s", "machine.crossbar.levels_s.0=6 ns")
    assert config.name == "parent"
    assert config.gating == "idle"
    assert config.machine.mesh == Mesh(rows=4, link_bandwidth_bps=1e9, placement="snake")
    assert config.machine.crossbar == Crossbar(adcs=128, read_pulse_s=3.16e-9, levels_s=(6e-9,))


def test_null_takes_a_section_out_and_a_mapping_brings_the_default_back(load: Load) -> None:
    write("without.yaml", "machine: {crossbar: null}")
    assert load("without.yaml").machine.crossbar is None
    back = Crossbar(adcs=4, read_pulse_s=3.16e-9, levels_s=(1e-9, 2e-9))
    assert load(write("back.yaml", "extends: without.yaml\nmachine: {crossbar: {adcs: 4}}")).machine.crossbar == back
    assert load("without.yaml", "machine.crossbar.adcs=4").machine.crossbar == back
    assert load({}, "machine.crossbar=null", "machine.crossbar={adcs: 4}").machine.crossbar == back
    assert load({}, "machine.crossbar=").machine.crossbar is None


def test_all_problems_are_reported_together_each_once(load: Load) -> None:
    write("bad.yaml", "machine:\n  mesh:\n    rows: 0\n    link_bandwidth_bps: 20 ns\n    placment: snake\n"
                      "  memory: {capacity_bytes: [], limit: -1}\ngating: ilde\nrows: 5 m\n")  # fmt: skip
    assert problems(load, "bad.yaml", "machine.crossbar.read_pulse_s=1 s", "bad") == [
        "an override is written key.of.section=value, not 'bad'  (--set)",
        "gating: 'ilde' is not one of off, idle; did you mean idle?  (bad.yaml:7)",
        "machine.crossbar.read_pulse_s: '1 s' is out of range; must be > 0 and <= 1 us  (--set)",
        "machine.memory.capacity_bytes: [] is not a whole number; takes a size, e.g. 8 MiB  (bad.yaml:6)",
        "machine.memory.limit: -1 is not one of off, or is out of range; must be >= 0  (bad.yaml:6)",
        "machine.mesh.link_bandwidth_bps: '20 ns' is a time; takes a data rate, e.g. 20 Gb/s  (bad.yaml:4)",
        "machine.mesh.placment: unknown key; did you mean placement?  (bad.yaml:5)",
        "machine.mesh.rows: 0 is out of range; must be >= 1 and <= 64  (bad.yaml:3)",
        "rows: unknown key; did you mean machine.mesh.rows?  (bad.yaml:8)",
    ]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("machine.mesh.link=1", "machine.mesh.link: unknown key; did you mean link_bandwidth_bps?"),
        ("machine.mesh.zebra_s=1 J", "unknown key; known here: rows, link_bandwidth_bps, placement"),
        ("mesh.rows=1", "mesh: unknown key; did you mean machine.mesh?"),
        ("machine.mesh.rows=1.5", "1.5 is not a whole number"),
        ("machine.mesh.rows=true", "true is not a whole number"),
        ("machine.mesh.rows=99999999999999999999", "is too large an integer"),
        ("machine.mesh.link_bandwidth_bps=.nan", "nan is not a finite number"),
        ("machine.mesh.link_bandwidth_bps=1e999", "inf is not a finite number"),
        ("machine.mesh.link_bandwidth_bps='20'", "'20' has no unit; takes a data rate"),
        ("machine.mesh.link_bandwidth_bps=null", "null is not a number; takes a data rate, e.g. 20 Gb/s"),
        ("machine.mesh=null", "machine.mesh: null is not a section of keys"),
        ("machine.mesh=[1]", "machine.mesh: [1] is not a section of keys"),
        ("machine.memory.capacity_bytes=2 TiB", "machine.memory: capacity_bytes must fit the chip"),
        ("machine.crossbar.levels_s=[1 ns, 2 J]", "machine.crossbar.levels_s.1: '2 J' is an energy; takes a time"),
        ("machine.crossbar.levels_s.7=1", "'7' is not an index of a list of 2"),
        ("machine.crossbar.levels_s.x=1", "'x' is not an index of a list of 2"),
        ("machine.mesh.rows.x=1", "'x' lies below 8, which is not a section"),
        ("machine..rows=1", "an override is written"),
        ("." * 5000 + "=1", "an override is written"),
        (".".join("a" * 5000) + "=1", "an override is written"),
        ("name=[1", "not valid YAML"),
        ("name=\udc80", "not valid YAML"),
        ("\udc80=1", "is not Unicode text"),
        ("schema_version=3", "3 is not one of 2"),
        ("extends=other", "extends: unknown key"),
    ],
)
def test_a_bad_override_is_explained(load: Load, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, override)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_missing_key_is_named(tmp_path: Path, load: Load) -> None:
    (tmp_path / "base.yaml").write_text(DEFAULTS.replace("rows: 8, ", ""))
    assert problems(load, {}) == ["machine.mesh.rows: this key is missing"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "a config is a mapping of keys to values, not [1, 2]"),
        ("schema_version: 3", "schema_version 3 is newer than this pimsim; update pimsim (it reads version 2)"),
        ("schema_version: one", "schema_version 'one' is unknown"),
        ("schema_version: true", "schema_version true is unknown"),
        ("extends: file.yaml", "extends itself: file.yaml -> file.yaml"),
        ("extends: loop.yaml", "extends itself: file.yaml -> loop.yaml -> file.yaml"),
        ("extends: 5", "5 is not the name or path of a config"),
        ("extends: /dev/zero", "is not a regular file"),
        ("extends: .", "is a directory"),
        ("extends: none.yaml", "no such file"),
        ("extends: [wide1.yaml, wide1.yaml, wide1.yaml, wide1.yaml]", "extends more than 64 files"),
        ("a: \xff", "is not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_a_config_is_refused(load: Load, text: str, message: str) -> None:
    write("loop.yaml", "extends: file.yaml")
    for index in range(1, 10):
        write(f"wide{index}.yaml", f"extends: [{', '.join([f'wide{index + 1}.yaml'] * 4)}]")
    write("wide10.yaml", "{}")
    Path("file.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        load("file.yaml")
    assert message in str(caught.value)


def test_deep_chains_of_extends_are_refused(load: Load) -> None:
    for index in range(20):
        write(f"f{index}.yaml", f"extends: f{index + 1}.yaml")
    assert problems(load, "f0.yaml") == ["extends goes more than 16 files deep"]


def test_paths_that_are_no_config_are_refused_without_waiting(load: Load, tmp_path: Path) -> None:
    os.mkfifo("fifo")
    Path("big.yaml").write_bytes(b"#" * (2**20 + 1))
    for source in ("fifo", "big.yaml", tmp_path, "/dev/stdin/x", "\0", "", "none.yaml"):
        with pytest.raises(ConfigError):
            load(source)


def test_a_mapping_is_held_to_the_same_rules(load: Load) -> None:
    assert load({"machine": {"mesh": {"rows": np.int64(3)}}}).machine.mesh.rows == 3
    cycle: dict[str, Any] = {}
    cycle["machine"] = cycle
    for source in (cycle, {"name": {1: 2}}, {"name": object()}, {"name": 10**5000}, {"name": "\ud800"}, {"\ud800": 1}):
        with pytest.raises(ConfigError) as caught:
            load(source)
        assert len(str(caught.value)) < 500


@pytest.mark.timeout(120)
def test_thousands_of_problems_are_all_found(load: Load) -> None:
    lines = problems(load, write("many.yaml", "\n".join(f"rows{index}_s: 1 J" for index in range(4900))))
    assert len(lines) == 4900


def test_a_shipped_number_is_not_rounded_on_its_way(load: Load) -> None:
    class Number(Section):
        value: float

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def check(value: float) -> None:
        model, found = validate({"value": value}, Number)
        assert model is not None
        assert model.value == value
        assert not found

    check()


@pytest.mark.parametrize("name", list_configs())
def test_a_shipped_config_survives_its_dump(name: str) -> None:
    config = load_config(name)
    assert load_config_text(dump_config(config)) == config


@given(text=st.text(max_size=20) | st.from_regex(r"[-+0-9.eE_:xo]{1,9}"))
@example("1e8").via("a number only to our reader")
@example("off").via("a boolean only to PyYAML")
@example("null")
@example(".inf")
def test_any_text_survives_a_dump(text: str) -> None:
    class Text(Section):
        text: str

    dumped = dump_config(Text(text=text))
    assert parse_yaml(dumped, "dump").tree == {"text": text}


def test_the_json_schema_lets_editors_write_units() -> None:
    schema = config_schema_json(Root)
    assert json.loads(json.dumps(schema)) == schema
    mesh = schema["$defs"]["Mesh"]["properties"]
    assert mesh["link_bandwidth_bps"]["anyOf"][1] == {"type": "string", "examples": ["20 Gb/s"]}
    assert mesh["rows"]["type"] == "integer"
    assert "extends" in schema["properties"]
    assert "required" not in schema["$defs"]["Mesh"]
    assert config_schema_json()["properties"]["machine"]


@pytest.mark.parametrize(
    ("overrides", "texts"),
    [
        ({"workload.context_length": 1024}, ["workload.context_length=1024"]),
        ({"workload.context_length": np.int64(1024)}, ["workload.context_length=1024"]),
        ({"machine.systolic.clock_hz": "200 MHz"}, ["machine.systolic.clock_hz=200 MHz"]),
        ({"machine.memory.dram": None, "workload.lm_head": True}, ["workload.lm_head=true"]),
        (
            {"machine.crossbar": None, "machine.mesh": None, "mapping.projections": "systolic"},
            ["machine.crossbar=null", "machine.mesh=null", "mapping.projections=systolic"],
        ),
        (
            {"mapping.placement_groups": (("q", "k", "v", "o"), ["ffn_gate", "ffn_up", "ffn_down"])},
            ["mapping.placement_groups=[[q, k, v, o], [ffn_gate, ffn_up, ffn_down]]"],
        ),
        ({"machine.mesh": {"rows": 8, "columns": 4}}, ["machine.mesh.rows=8", "machine.mesh.columns=4"]),
        ({}, []),
    ],
)
def test_overrides_in_a_mapping_equal_those_in_texts(overrides: dict[str, object], texts: list[str]) -> None:
    assert load_config("pim-llm", overrides) == load_config("pim-llm", texts)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"workload.contxt_length": 1},
            "workload.contxt_length: unknown key; did you mean context_length?  (overrides)",
        ),
        ({"workload.batch": 0}, "workload.batch: 0 is out of range; must be >= 1 and <= 65536  (overrides)"),
        (
            {"leakage_gating": "gate"},
            "leakage_gating: 'gate' is not one of ungated, idle_gated, not_charged; did you mean ungated?  (overrides)",
        ),
        ({"machine.systolic.clock_hz": "20 ns"}, "'20 ns' is a time; takes a frequency, e.g. 100 MHz  (overrides)"),
        ({"machine.mesh.rows.x": 1}, "machine.mesh.rows.x: 'x' lies below 64, which is not a section  (overrides)"),
        ({"workload.batch": {1}}, "workload.batch: {1} is neither text nor a number, boolean, list, mapping or null"),
        ({"workload": {1: 2}}, "workload: the key 1 is not a string"),
        ({1: 2}, "a key is a text such as 'workload.batch', not 1  (overrides)"),
        ({"workload..batch": 2}, "a key is a text such as 'workload.batch', not 'workload..batch'  (overrides)"),
    ],
)
def test_a_bad_override_in_a_mapping_is_explained(overrides: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("pim-llm", overrides)
    assert message in str(caught.value)


def test_all_problems_of_a_mapping_are_reported_together() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("pim-llm", {"workload.batch": 0, "workload.contxt_length": 1, "machine.mesh.rows.x": 1})
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("overrides", "shown"),
    [
        ("workload.batch=2", "'workload.batch=2'"),
        (b"workload.batch=2", "b'workload.batch=2'"),
        (None, "null"),
        (2, "2"),
        (["workload.batch=2", 3], "3"),
        ([("workload.batch", 2)], "('workload.batch', 2)"),
    ],
)
def test_overrides_of_another_type_are_refused_with_one_sentence(overrides: Any, shown: str) -> None:
    expected = (
        'overrides: must be a list of texts, such as ["workload.batch=2"], '
        f'or a mapping, such as {{"workload.batch": 2}}; {shown} is neither'
    )
    with pytest.raises(ConfigError) as caught:
        load_config("pim-llm", overrides)
    assert str(caught.value) == expected


def test_a_config_has_a_short_repr() -> None:
    config = load_config("pim-llm", {"workload.model": "x" * 200, "name": "n" * 100})
    assert len(repr(config)) < 400
    assert "pim-llm" in repr(load_config("pim-llm"))
    assert "context_length=128" in repr(load_config("pim-llm"))


@pytest.mark.parametrize("value", ["true", "false", "1.0", "2.0", "3"])
def test_what_equals_a_literal_integer_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="operations_per_mac"):
        load_config("pim-llm", [f"operations_per_mac={value}"])
