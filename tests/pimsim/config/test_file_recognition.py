"""Files that are given to the wrong command."""

from __future__ import annotations

import json
from pathlib import Path

from pimsim.base.shipped_files import find_config, find_requests, find_trace
from pimsim.config.file_recognition import other_kind


def test_files_of_another_kind_are_named(tmp_path: Path) -> None:
    assert other_kind(find_config("pim-llm"), ("trace",)).startswith("is a config")
    trace = find_trace("gpt2-medium-decode-128")
    assert other_kind(trace, ()).startswith("is a trace")
    assert other_kind(trace, ("trace",)) == ""
    stored = tmp_path / "x.h5"
    stored.write_bytes(b"\x89HDF\r\n\x1a\n rest")
    assert "pimsim show" in other_kind(stored, ())


def test_files_of_others_and_no_files_are_not_named(tmp_path: Path) -> None:
    unknown = tmp_path / "x.json"
    unknown.write_text(json.dumps([{"conversations": []}]), encoding="utf-8")
    for path in (unknown, find_requests("requests-chat"), tmp_path, tmp_path / "missing.yaml"):
        assert other_kind(path, ()) == ""
