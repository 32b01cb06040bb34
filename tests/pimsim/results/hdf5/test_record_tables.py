"""Tables follow from records: the four formats as revision a2525e4 wrote them, and every type of field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import h5py
import pytest

from pimsim.base.errors import OutputError, ResultFileError
from pimsim.base.stored_columns import Column, Kind, Number, Table
from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from pimsim.results.hdf5 import RecordFile
from pimsim.results.hdf5.record_tables import Owners, column_kinds, stored_fields
from pimsim.results.run_result import RunResult
from pimsim.studies.accuracy.accuracy_store import StoredStudy
from pimsim.studies.serving.serving_result import ServingResult
from pimsim.studies.sweep.table.sweep_store import StoredSweep

RESULT = """
/ pimsim_version:TEXT model:TEXT phase:TEXT context_length:INTEGER tokens:INTEGER latency_ps:INTEGER tiles_used:INTEGER
  tiles_available:INTEGER pairs_used:INTEGER pairs_available:INTEGER weight_bytes:INTEGER weight_load_ps:INTEGER
  chips:INTEGER chips_used:INTEGER layers:INTEGER layers_swapped:INTEGER writes_per_run:INTEGER test_ps:INTEGER
  calibration_ps:INTEGER kv_cache_bytes:INTEGER memory_weight_bytes:INTEGER activation_bytes:INTEGER
ops block:TEXT repeat:INTEGER name:TEXT kind:TEXT start_ps:INTEGER latency_ps:INTEGER macs:INTEGER
inputs op:INTEGER input:TEXT
parts op:INTEGER part:TEXT duration_ps:INTEGER
counts op:INTEGER action:TEXT count:INTEGER
components name:TEXT units:INTEGER busy_ps:INTEGER leakage_j:REAL
areas component:TEXT item:TEXT area_m2:REAL
activities op:INTEGER name:TEXT component:TEXT resource:TEXT ready_ps:INTEGER start_ps:INTEGER end_ps:INTEGER
  waited_for:TEXT started_by:INTEGER profile:INTEGER
profiles duration_ps:INTEGER busy_ps:INTEGER contended_for:TEXT
profile_parts profile:INTEGER part:TEXT duration_ps:INTEGER
profile_counts profile:INTEGER action:TEXT count:INTEGER
spans profile:INTEGER part:TEXT label:TEXT start_ps:INTEGER end_ps:INTEGER repeat:INTEGER copies:INTEGER rounds:INTEGER
media name:TEXT component:TEXT jobs:INTEGER busy_ps:INTEGER waited_ps:INTEGER moved_bytes:INTEGER
uses medium:INTEGER name:TEXT busy_ps:INTEGER waited_ps:INTEGER in_bytes:INTEGER out_bytes:INTEGER peak:INTEGER
load_counts action:TEXT count:INTEGER
checks? latency_ps:INTEGER energy_j:REAL
action_energies action:TEXT energy_j:REAL
notes? note:TEXT
accounting? counted:INTEGER item:TEXT latency_ps:INTEGER energy_j:REAL once:INTEGER
plugins? name:TEXT sha256:TEXT
kv_tiers? name:TEXT held_bytes:INTEGER
"""
ACCURACY = """
/ pimsim_version:TEXT
points parameter:TEXT value:TEXT settings:TEXTS version:TEXT model:TEXT text:TEXT seed:INTEGER phase:TEXT
  context_length:INTEGER latency_s:NUMBER energy_j:NUMBER tokens_per_s:NUMBER tokens_per_j:NUMBER gops:NUMBER
  gops_per_w:NUMBER area_m2:NUMBER weight_load_s:NUMBER
windows point:INTEGER start:INTEGER tokens:INTEGER characters:INTEGER float_nll:NUMBER exact_nll:NUMBER
chips point:INTEGER seed:INTEGER agreement:REAL kl:NUMBER logit_snr_db:NUMBER saturated:REAL writes:INTEGER
  write_energy_j:REAL
nll point:INTEGER chip:INTEGER nll:NUMBER
projections point:INTEGER layer:INTEGER role:TEXT snr_db:NUMBER saturated:REAL
layers point:INTEGER layer:INTEGER snr_db:NUMBER
warnings point:INTEGER warning:TEXT
notes? point:INTEGER note:TEXT
kv_caches? point:INTEGER kv_tokens:INTEGER kv_kept:NUMBER kv_bytes:INTEGER kv_bytes_full:INTEGER
accounting? point:INTEGER counted:INTEGER item:TEXT latency_ps:INTEGER energy_j:REAL once:INTEGER
plugins? point:INTEGER name:TEXT sha256:TEXT
"""
SERVING = """
/ pimsim_version:TEXT model:TEXT method:TEXT offered:INTEGER simulations:INTEGER steps_checked:INTEGER
  latency_error:REAL energy_error:REAL idle_power_w:REAL kv_blocks:INTEGER kv_block_bytes:INTEGER
  kv_largest_blocks:INTEGER kv_released_tokens:INTEGER kv_unused_tokens:INTEGER kv_preemptions:INTEGER
  kv_recomputed_tokens:INTEGER prefix_asked_tokens:INTEGER prefix_shared_tokens:INTEGER swaps_out:INTEGER
  swaps_in:INTEGER swap_out_bytes:INTEGER swap_in_bytes:INTEGER swap_largest_bytes:INTEGER swaps_refused:INTEGER
  swap_ps:INTEGER swap_energy_j:REAL verified_steps:INTEGER drafted_tokens:INTEGER accepted_tokens:INTEGER
  draft_ps:INTEGER draft_energy_j:REAL plain_busy_ps:INTEGER plain_energy_j:REAL
requests id:TEXT prompt_tokens:INTEGER output_tokens:INTEGER arrival_ps:INTEGER admitted_ps:INTEGER
  first_token_ps:INTEGER finished_ps:INTEGER dynamic_energy_j:REAL leakage_energy_j:REAL
prefix_hashes? request:INTEGER hash:SIGNED
service? priority:INTEGER ttft_deadline_ps:INTEGER latency_deadline_ps:INTEGER preemptions:INTEGER shared_tokens:INTEGER
cancelled? id:TEXT prompt_tokens:INTEGER output_tokens:INTEGER arrival_ps:INTEGER admitted_ps:INTEGER
  cancelled_ps:INTEGER produced_tokens:INTEGER dynamic_energy_j:REAL leakage_energy_j:REAL
iterations start_ps:INTEGER end_ps:INTEGER prefills:INTEGER decodes:INTEGER new_tokens:INTEGER running:INTEGER
  waiting:INTEGER kv_bytes:INTEGER dynamic_energy_j:REAL leakage_energy_j:REAL estimated:INTEGER
traffic? weight_read_bytes:REAL kv_read_bytes:REAL kv_write_bytes:REAL embedding_read_bytes:REAL other_read_bytes:REAL
  other_write_bytes:REAL
upkeep? kind:TEXT interval_ps:INTEGER latency_ps:INTEGER energy_j:REAL
pauses? kind:TEXT due_ps:INTEGER start_ps:INTEGER end_ps:INTEGER energy_j:REAL
notes? note:TEXT
accounting? counted:INTEGER item:TEXT latency_ps:INTEGER energy_j:REAL once:INTEGER
plugins? name:TEXT sha256:TEXT
"""
SWEEP = """
/ pimsim_version:TEXT code_hash:TEXT name:TEXT sweep:DOCUMENT
columns name:TEXT role:TEXT keys:TEXT unit:TEXT better:TEXT stored:TEXT
messages message:TEXT
accounting? counted:INTEGER item:TEXT latency_ps:INTEGER energy_j:REAL once:INTEGER
plugins? name:TEXT sha256:TEXT
"""


def layout(record: type, table: Table, owners: Owners, own_table: bool = True) -> Iterator[tuple[str, list[str]]]:
    """Name of each table, and its columns with their kinds, as they are in a file; the root's name is "/"."""
    if own_table:
        kinds = {**owners.kinds, **column_kinds(record)}
        yield (table.name or "/") + "?" * table.optional, [f"{name}:{kind.name}" for name, kind in kinds.items()]
    inner = owners.inner(table, ["x"] * len(owners.keys))
    for field in stored_fields(record):
        if field.table:
            yield from layout(field.type, field.table, inner if field.split else Owners())
        elif not field.column and field.type is not Config:
            yield from layout(field.type, Table(), inner, own_table=False)


@pytest.mark.parametrize(
    ("record", "written"),
    [(RunResult, RESULT), (StoredStudy, ACCURACY), (ServingResult, SERVING), (StoredSweep, SWEEP)],
)
def test_a_renamed_field_does_not_change_the_files(record: type, written: str) -> None:
    """The texts above are from `TABLES`, `SCALARS` and `HEADER` of the modules that restated the records."""
    rows = written.strip().replace("\n  ", " ").splitlines()
    wanted = {name: columns for name, *columns in (row.split() for row in rows)}
    found = dict(layout(record, Table(), Owners()))
    assert {name: sorted(columns) for name, columns in found.items() if name == "/"} == {"/": sorted(wanted["/"])}
    assert found | {"/": []} == wanted | {"/": []}


class Part(NamedTuple):
    size: int
    factor: Number


@dataclass(frozen=True, slots=True)
class Inner:
    parent: Annotated[int, Column("parent_plus_1", offset=1)]
    good: bool
    parts: Annotated[tuple[Part, ...], Table(row="part")]
    hashes: Annotated[tuple[Annotated[int, Column(kind=Kind.SIGNED)], ...], Table("keys", value="hash", optional=True)]


@dataclass(frozen=True, slots=True)
class Extra:
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Outer:
    name: str
    tags: Annotated[tuple[str, ...], Column(kind=Kind.TEXTS)]
    inner: Annotated[tuple[Inner, ...], Table(row="inner")]
    counts: Annotated[Mapping[str, int], Table(key="action")]
    extra: Annotated[Extra, Table(optional=True)] = Extra()


@dataclass(frozen=True, slots=True)
class Size:
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Everything:
    config: Config
    size: Size | None
    outer: Annotated[tuple[Outer, ...], Table(row="outer", by="name")]


FILE = RecordFile("pimsim-test", "test_version", 1, "test", Everything)
INNER = Inner(-1, True, (Part(1, float("-inf")), Part(2, -0.5)), (7, -(2**63)))
RECORD = Everything(
    load_config("tpu-llm"),
    Size(3, 1 << 70),
    (
        Outer("a", ("x", "é"), (INNER, Inner(0, False, (), ())), {"read": 3, "write": 0}, Extra(2.5)),
        Outer("b", (), (), {}),
        Outer("c", ("",), (INNER,), {"read": 4}),
    ),
)


@pytest.mark.parametrize("size", [None, Size(0, 5)])
def test_every_type_of_field_comes_back(size: Size | None, tmp_path: Path) -> None:
    record = Everything(RECORD.config, size, RECORD.outer)
    FILE.write(tmp_path / "x.h5", record, RECORD.config)
    assert FILE.read(tmp_path / "x.h5") == record
    with h5py.File(tmp_path / "x.h5") as file:
        assert ("width" in file.attrs) == (size is not None)
        assert list(file["parts"]) == ["outer", "inner", "size", "factor"]
        assert list(file["parts/outer"].asstr()) == ["a", "a", "c", "c"]
        assert list(file["parts/inner"]) == [0, 0, 0, 0]
        assert list(file["inner/parent_plus_1"]) == [0, 1, 0]
        assert list(file["keys/hash"].asstr()) == ["7", str(-(2**63))] * 2


def test_what_earlier_files_do_not_have_gets_its_default(tmp_path: Path) -> None:
    FILE.write(tmp_path / "x.h5", RECORD, RECORD.config)
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        del file["extra"], file["keys"], file.attrs["height"]
    read = FILE.read(tmp_path / "x.h5")
    assert read.size is None
    assert [outer.extra for outer in read.outer] == [Extra()] * 3
    assert [inner.hashes for outer in read.outer for inner in outer.inner] == [()] * 3


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("parts/inner", 2, "dataset parts/inner refers to 2 of 'a', not in the file"),
        ("parts/outer", b"z", "dataset parts/inner refers to 0 of 'z', not in the file"),
        ("outer/name", b"b", "'b' occurs twice, so table inner cannot refer to it"),
        ("counts/action", b"write", "table counts has the same key twice"),
        ("outer/tags", b"{}", "dataset outer/tags is not a JSON list of strings"),
        ("keys/hash", b"0x1", "dataset keys/hash holds a text that is not an integer"),
        ("extra", None, "table extra has 2 rows instead of 3"),
    ],
)
def test_damage_is_named(name: str, value: Any, match: str, tmp_path: Path) -> None:
    FILE.write(tmp_path / "x.h5", RECORD, RECORD.config)
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        if value is None:
            del file["extra/weight"]
            file["extra"].create_dataset("weight", data=[1.0, 2.0], chunks=(2,), compression="gzip")
        else:
            file[name][0] = value
    with pytest.raises(ResultFileError, match=match):
        FILE.read(tmp_path / "x.h5")


def test_a_file_with_a_problem_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: it is empty"):
        FILE.write(tmp_path / "x.h5", RECORD, RECORD.config, problem="it is empty")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [int | None, complex, set[int]])
def test_a_type_that_cannot_be_stored_is_an_error_of_the_developer(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"the field value of type .* cannot be stored"):
        stored_fields(NamedTuple("Wrong", [("value", kind)]))
