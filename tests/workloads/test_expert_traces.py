"""Files with the experts of each token: what is read, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workloads.expert_traces import read_expert_trace
from workloads.workload_errors import ExpertTraceError


def write(tmp_path: Path, values: object) -> Path:
    path = tmp_path / "experts.json"
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    return path


def test_a_trace_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, {"schema_version": 1, "layers": [[[0, 5], [2, 5]], [[3, 4]]]})
    assert read_expert_trace(path) == (((0, 5), (2, 5)), ((3, 4),))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("[", "is not JSON"),
        ([], "must be an object, not a list of 0"),
        ({"schema_version": 2, "layers": [[[0]]]}, "schema_version must be 1, not 2"),
        ({"layers": [[[0]]]}, "schema_version must be 1, not None"),
        ({"schema_version": 1}, "layers must be a list of at least one layer, not None"),
        ({"schema_version": 1, "layers": [[]]}, r"layers\[0\] must be a list of at least one token, not a list of 0"),
        ({"schema_version": 1, "layers": [[[0], []]]}, r"layers\[0\]\[1\] must be a list of at least one expert"),
        ({"schema_version": 1, "layers": [[[0.5]]]}, r"layers\[0\]\[0\] must be an integer from 0 to 65535, not 0.5"),
        ({"schema_version": 1, "layers": [[[-1]]]}, "not -1 in the list"),
        ({"schema_version": 1, "layer": [], "layers": [[[0]]]}, r"the key 'layer' is unknown \(did you mean layers"),
    ],
)
def test_files_that_are_no_traces_of_experts(values: object, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, values)
    with pytest.raises(ExpertTraceError, match=message) as caught:
        read_expert_trace(path)
    assert str(caught.value).startswith(str(path))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ExpertTraceError, match="cannot read the trace of experts: No such file"):
        read_expert_trace(tmp_path / "none.json")
