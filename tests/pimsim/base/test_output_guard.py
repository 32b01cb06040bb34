"""What an output may replace: an earlier file of its kind, and nothing of the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.base import output_guard as guard
from pimsim.base.errors import OutputError
from pimsim.base.files import HDF5_SIGNATURE

CONFIG = b"extends: pim-llm\n"
KINDS = {
    "table": (guard.table("op,kind,", "block,index,"), b"block,index,time_s\n1,2,3\n"),
    "result": (guard.result("pimsim-result"), HDF5_SIGNATURE + bytes(5000) + b"pimsim-result" + bytes(50)),
    "timeline": (
        guard.timeline,
        b'{"traceEvents":[\n{"ph":"M","pid":1,"tid":0,"name":"process_name","args":{"name":"pim-llm"}},\n]}',
    ),
    "parquet": (guard.parquet, b'PAR1...{"attributes": {"written_by": "pimsim 0.1.0"}}...PAR1'),
}
FOREIGN = {
    "table": [b"op;kind\n", b"name,op,kind,\n", CONFIG],
    "result": [HDF5_SIGNATURE + bytes(100), b"pimsim-result", CONFIG, HDF5_SIGNATURE + b"pimsim-sweep"],
    "timeline": [b'{"traceEvents":[]}', b"{}", CONFIG],
    "parquet": [b"PAR1...PAR1", b'"written_by": "pimsim 0.1.0"', CONFIG],
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_an_earlier_output_of_its_kind_is_replaced(kind: str, tmp_path: Path) -> None:
    ours, content = KINDS[kind]
    path = tmp_path / "out"
    output = [guard.Output("--out", path, ours)]
    guard.check_outputs(output)
    for harmless in (b"", content):
        path.write_bytes(harmless)
        guard.check_outputs(output)
    others = [text for name, (_, text) in KINDS.items() if name != kind]
    for foreign in (*FOREIGN[kind], *others):
        path.write_bytes(foreign)
        with pytest.raises(OutputError, match=r"already exists and is not a file that --out .* --force replaces it"):
            guard.check_outputs(output)
        guard.check_outputs(output, force=True)
        assert path.read_bytes() == foreign, "a check writes nothing"


def test_what_users_edit_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(CONFIG)
    with pytest.raises(OutputError, match=r"mine\.yaml: already exists; --force replaces it"):
        guard.check_outputs([guard.Output("--out", path, guard.never)])


@pytest.mark.parametrize("link", ["hard", "symbolic", "none"])
def test_an_input_is_not_replaced_under_any_name(link: str, tmp_path: Path) -> None:
    read, path = tmp_path / "result.h5", tmp_path / "again.h5"
    read.write_bytes(KINDS["result"][1])
    if link == "hard":
        path.hardlink_to(read)
    elif link == "symbolic":
        path.symlink_to(read)
    else:
        path = read
    output = [guard.Output("--out", path, KINDS["result"][0])]
    with pytest.raises(OutputError, match="is an input of this command; choose another --out"):
        guard.check_outputs(output, ["pim-llm", None, str(read)])
    guard.check_outputs(output, [str(read)], force=True)
    guard.check_outputs(output, ["pim-llm", tmp_path / "none"])


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    outputs = [guard.Output(option, tmp_path / "x", guard.never) for option in ("--csv", "--out")]
    for force in (True, False):
        with pytest.raises(OutputError, match="--csv and --out name the same file"):
            guard.check_outputs(outputs, force=force)


def test_plots_replace_plots(tmp_path: Path) -> None:
    folder = tmp_path / "plots"
    guard.check_plots(folder, ["load"])
    (folder / "load.png").write_bytes(b"\x89PNG\r\n\x1a\ntEXtSoftware\x00pimsim 0.1.0 ")
    (folder / "photo.png").write_bytes(b"\x89PNG mine")
    guard.check_plots(folder, ["load"])
    for name in ("photo", "ph*"):
        with pytest.raises(OutputError, match=r"photo\.png: already exists and is not a plot of pimsim"):
            guard.check_plots(folder, [name])
        guard.check_plots(folder, [name], force=True)
    guard.check_plots(None, ["load"])
