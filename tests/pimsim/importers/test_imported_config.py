"""Untrusted files: any content gives either one clear error or a config that loads."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.base.errors import ConfigError
from pimsim.config.loading import dump_config, load_config_text
from pimsim.config.yaml_tree import parse_yaml
from pimsim.importers import mnsim, scalesim, scalesim_tables
from pimsim.importers.import_table import Imported
from pimsim.importers.imported_config import ImportedConfig, Ini
from tests.support.documents import differences
from tests.support.importer_files import STOCK, V2, cfg, ini
from workloads.trace import loads

Importer = Callable[[Path], Imported]
IMPORTERS: dict[str, Importer] = {
    "mnsim": mnsim.import_config,
    "scalesim": scalesim.import_config,
    "topology": scalesim_tables.import_topology,
}


@pytest.mark.parametrize("kind", IMPORTERS)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n \n",
        b"\x00" * 1000,
        b"\x7fELF\x02\x01\x01" + bytes(range(256)),
        b"\xff\xfe[\x00a\x00]\x00",
        b"[Device level\n",
        b"key without a section = 1\n",
        b"[a]\nx = 1\n[a]\ny = 2\n",
        b"[Device level]\nx = 1\nx = 2\n",
        b"[DEFAULT]\nx = %(x)s\n[Device level]\ny = %(x)s\n",
        b"extends: pim-llm\n",
        b"[a]\nkey\n  goes on\n",  # an AttributeError in configparser of Python 3.11, if keys without value are allowed
        b"[" * 100_000,
        b"[a]\n" + b"".join(b"k%d = 1\n" % n for n in range(2000)),
        b"x" * (1 << 21),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_what_is_no_such_file_is_told(kind: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.ini"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        IMPORTERS[kind](path)
    assert "file.ini" in str(error.value)
    assert max(map(len, str(error.value).splitlines())) < 900
    assert str(error.value).replace("\n", "").isprintable()


@pytest.mark.parametrize("kind", IMPORTERS)
@pytest.mark.parametrize("path", ["/", ".", "no/such/file", "/dev/null", "/dev/zero", "x" * 300, "a\0b"])
def test_a_path_that_is_no_file_is_told(kind: str, path: str) -> None:
    with pytest.raises(ConfigError):
        IMPORTERS[kind](Path(path))


@pytest.mark.parametrize("kind", IMPORTERS)
def test_a_pipe_is_not_waited_for(kind: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="not a regular file"):
        IMPORTERS[kind](tmp_path / "pipe")


@pytest.mark.parametrize("kind", ["mnsim", "scalesim"])
def test_every_value_of_the_file_is_in_the_table(kind: str, tmp_path: Path) -> None:
    path, text = tmp_path / "file.ini", ini() if kind == "mnsim" else cfg(V2)
    path.write_text(text, encoding="utf-8")
    imported = IMPORTERS[kind](path)
    tree = parse_yaml(imported.text, "made").tree
    sections = STOCK if kind == "mnsim" else V2
    written = {f"[{section}] {key.strip()}" for section, values in sections.items() for key in values}
    rows = imported.table.rows
    assert {row.name for row in rows if row.name} == written
    for row in rows:
        assert row.fate in ("carried over", "derived", "ignored")
        assert row.note or row.fate == "carried over", "a derivation, and the effect of ignoring, are said"
        for key in row.key.split(", ") if row.key else ():
            value: object = tree
            for name in key.split("."):
                assert isinstance(value, dict)
                value = value[name]
            assert not row.result or parse_yaml(f"x: {row.result}", "row").tree == {"x": value}, row


def test_a_value_has_the_fate_that_the_importer_states(tmp_path: Path) -> None:
    path = tmp_path / "other.ini"
    path.write_text("[a]\nsize = 4\nkind = plain\noff = 3\nrest = 7\nseed = 0\n", encoding="utf-8")
    read = Ini(path, "a config")
    size, kind, off = (read.get("a", key) for key in ("size", "kind", "off"))
    assert size is not None
    assert kind is not None
    assert off is not None
    draft = ImportedConfig(str(path), "Other")
    draft.put("machine.systolic.rows", size.integer(), size)
    draft.put("machine.systolic.columns", 2 * size.integer(), "twice the size", of=[size])
    draft.put("machine.crossbar", None, "Other has none")
    draft.put("machine.mesh", None, "Other has none")
    draft.put("mapping.projections", "systolic", "Other has nothing else")
    draft.agree(kind, "arrays are plain")
    draft.leave(off, "no effect")
    draft.note("read as version 7")
    draft.leave_rest(read, {})
    imported = draft.build()
    assert "# read as version 7" in imported.text.splitlines()
    assert imported.table.notes == ("read as version 7",)
    assert [(row.name, row.value, row.fate, row.key, row.result, row.note) for row in imported.table.rows] == [
        ("[a] size", "4", "carried over", "machine.systolic.rows", "4", ""),
        ("[a] size", "4", "derived", "machine.systolic.columns", "8", "twice the size"),
        ("", "", "derived", "machine.crossbar", "null", "Other has none"),
        ("", "", "derived", "machine.mesh", "null", "Other has none"),
        ("", "", "derived", "mapping.projections", "systolic", "Other has nothing else"),
        ("[a] kind", "plain", "carried over", "", "", "arrays are plain"),
        ("[a] off", "3", "ignored", "", "", "no effect"),
        ("[a] rest", "7", "ignored", "", "", "no counterpart"),
        ("[a] seed", "0", "ignored", "", "", "selects a default of Other"),
    ]


VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["0", "-1", "1", "2", "1e-30", "1e30", "1e31", "inf", "1,2", "0,0", "1e5,1e9", "9" * 40, "x\n y"]),
    st.integers(-10, 10**12).map(str),
    st.floats(0, 1e4).map(str),
)
MNSIM_KEYS = st.sampled_from([key for values in STOCK.values() for key in values])


@given(st.dictionaries(MNSIM_KEYS, st.one_of(st.none(), VALUES), max_size=6))
def test_any_mnsim_values_load_or_are_told(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, str | None]
) -> None:
    one_error_or_a_config(mnsim.import_config, tmp_path_factory, ini(**changes))


@given(st.dictionaries(st.one_of(st.sampled_from([*V2["architecture_presets"]]), st.text(max_size=8)), VALUES))
def test_any_scalesim_values_load_or_are_told(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, str]
) -> None:
    sections = V2 | {"architecture_presets": V2["architecture_presets"] | changes}
    one_error_or_a_config(scalesim.import_config, tmp_path_factory, cfg(sections))


CONVOLUTIONS = "Layer,IFMAP Height,IFMAP Width,Filter Height,Filter Width,Channels,Num Filter,Strides,Sparsity,"
HEADINGS = ("Layer, M, N, K,", "Layer, M, N, K, Sparsity,", "Layer, M, K, N,", CONVOLUTIONS)
CELLS = st.one_of(VALUES, st.integers(1, 9).map(str), st.sampled_from(["DP", "1:4", "4:1", "#dw", "\t", '"', "2:"]))


@given(heading=st.sampled_from(HEADINGS), lines=st.lists(st.lists(CELLS, max_size=11), max_size=3))
def test_any_table_is_a_trace_or_is_told(
    tmp_path_factory: pytest.TempPathFactory, heading: str, lines: list[list[str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "untrusted.csv"
    text = "\n".join([heading, *(",".join(cells) for cells in lines)])
    path.write_bytes(text.encode("utf-8", "replace"))
    try:
        made = scalesim_tables.import_topology(path)
    except ConfigError as error:
        assert str(error).replace("\n", "").isprintable()  # noqa: PT017
        return
    assert loads(made.text).macs > 0


def one_error_or_a_config(importer: Importer, factory: pytest.TempPathFactory, text: str) -> None:
    path = factory.getbasetemp() / "untrusted.ini"
    path.write_bytes(text.encode("utf-8", "replace"))
    try:
        made = importer(path).text
    except ConfigError as error:
        assert str(error).replace("\n", "").isprintable()  # noqa: PT017
        return
    config = load_config_text(made)
    assert list(differences(parse_yaml(made, "made").tree, config.model_dump(mode="json"))) == []
    assert load_config_text(dump_config(config)) == config
