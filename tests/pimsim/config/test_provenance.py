from pathlib import Path

from pimsim.config.provenance import Provenance, read_provenance

TEXT = """\
name: test # no number [A]
# A heading, not directly above.

clock_hz: 100 MHz   # the paper, section 2 [A]
machine:
  # MNSIM Buffer.py:
  # fixed cycle [B]
  cycle_s: 20 ns
  rows: 4  # a size # with a hash [C]
  bare: 5
  unsure: 6  # no letter
  levels: [1, 2.5]  # both [F]
  times_s:
    - 1 ns  # first [R]
    - 2 ns
  # over the list [S]
  more:
    - 7
  note: "8"
  flag: true
  copy: &anchor
    area_m2: 1e-9  # shared [A]
  again: *anchor
"""


def test_every_number_is_read_with_its_comment(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(TEXT)
    assert read_provenance(path) == {
        "clock_hz": Provenance("100 MHz", "the paper, section 2", "A"),
        "machine.cycle_s": Provenance("20 ns", "MNSIM Buffer.py: fixed cycle", "B"),
        "machine.rows": Provenance("4", "a size # with a hash", "C"),
        "machine.bare": Provenance("5"),
        "machine.unsure": Provenance("6"),
        "machine.levels.0": Provenance("1", "both", "F"),
        "machine.levels.1": Provenance("2.5", "both", "F"),
        "machine.times_s.0": Provenance("1 ns", "first", "R"),
        "machine.times_s.1": Provenance("2 ns"),
        "machine.more.0": Provenance("7", "over the list", "S"),
        "machine.copy.area_m2": Provenance("1e-9", "shared", "A"),
        "machine.again.area_m2": Provenance("1e-9", "shared", "A"),
    }


def test_words_have_sources_too_where_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("kind: sar  # a paper [A]\nspread: {shape: normal, sigma: 1}  # notes [B]\nnothing: null\n")
    assert read_provenance(path) == {"spread.sigma": Provenance("1", "notes", "B")}
    assert read_provenance(path, words=True) == {
        "kind": Provenance("sar", "a paper", "A"),
        "spread.shape": Provenance("normal", "notes", "B"),
        "spread.sigma": Provenance("1", "notes", "B"),
        "nothing": Provenance("null"),
    }


def test_an_empty_file_has_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("")
    assert read_provenance(path) == {}
