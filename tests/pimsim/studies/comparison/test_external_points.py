"""Published points: a CSV file with units in the names of its columns, checked value by value."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim import compare
from pimsim.base.errors import ConfigError
from pimsim.studies.comparison.external_points import read_points

GOOD = """\
# a comment
design, model, phase, context_length, tokens_per_s, tokens_per_j, gops, source, note
TransPIM,gpt2-350m,decode,1024,50.5,,734,"HPCA 2022, Fig. 9",8 GB of HBM
HARDSEA,,,,,,3.2,"TVLSI 2023, Table V",
"""


def test_values_are_read_with_their_source_and_models_have_one_name(tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    file.write_text(GOOD, encoding="utf-8")
    first, second = read_points(file)
    assert first.row() == {
        "design": "TransPIM", "source": "HPCA 2022, Fig. 9", "model": "gpt2-medium", "phase": "decode",
        "context_length": 1024, "tokens_per_s": 50.5, "tokens_per_j": None, "latency_s": None, "energy_j": None,
        "gops": 734.0, "gops_per_w": None, "power_w": None, "area_mm2": None, "note": "8 GB of HBM",
    }  # fmt: skip
    assert (second.design, second.gops, second.row()["context_length"]) == ("HARDSEA", 3.2, None)


def test_printed_rows_are_marked_and_have_no_ratios(tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    file.write_text(GOOD, encoding="utf-8")
    result = compare(["pim-llm", "tpu-llm"], models=["gpt2-medium"], contexts=[1024], points=file)
    rows = result.table_rows()
    assert [(row["design"], row["kind"]) for row in rows] == [
        ("pim-llm", "simulated"), ("tpu-llm", "simulated"), ("TransPIM", "printed"), ("HARDSEA", "printed"),
    ]  # fmt: skip
    assert len({tuple(row) for row in rows}) == 1
    printed = rows[2]
    assert (printed["gops"], printed["source"], printed["status"]) == (734.0, "HPCA 2022, Fig. 9", "printed")
    assert all(value is None for name, value in printed.items() if name.startswith("ratio_"))
    assert rows[1]["ratio_gops"] is not None
    assert {each.design for each in result.mean_ratios()} == {"tpu-llm"}
    with pytest.raises(ConfigError, match="'TransPIM' has printed values only"):
        compare(["pim-llm", "tpu-llm"], points=file, baseline="TransPIM")
    file.write_text(GOOD.replace("HARDSEA", "tpu-llm"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"'tpu-llm' is simulated, too; .* 'tpu-llm \(printed\)'"):
        compare(["pim-llm", "tpu-llm"], points=file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; its first line names the columns: design, source"),
        ("design,source,gops\n", "has no points below"),
        ("design,source,gop\nA,B,1\n", "'gop' is not a column; "),
        ("design,source,gop\nA,B,1\n", "did you mean gops?"),
        ("design,gops,gops,source\nA,1,2,B\n", "'gops' is the name of two columns"),
        ("design,gops\nA,1\n", "the column source is missing"),
        ("design,source,model\nA,B,opt-6.7b\n", "there is no column of a figure: tokens_per_s"),
        ("design,source,gops\nA,B\n", "has 2 values for 3 columns  (points.csv:2)"),
        ("design,source,gops\nA,,1\n", "source: is empty; each row names its design and its source  (points.csv:2)"),
        ("design,source,gops\nA,B,5 GOPS\n", "gops: '5 GOPS' is not a number above 0 without a unit"),
        ("design,source,gops\nA,B,-1\n", "'-1' is not a number above 0"),
        ("design,source,gops\nA,B,nan\n", "'nan' is not a number above 0"),
        ("design,source,gops\nA,B,inf\n", "'inf' is not a number above 0"),
        ("design,source,gops\nA,B,\n", "has no figure  (points.csv:2)"),
        (
            "design,source,phase,gops\nA,B,decod,1\n",
            "phase: 'decod' is not one of decode, prefill, generate, load",
        ),
        ("design,source,context_length,gops\nA,B,1k,1\n", "context_length: '1k' is not a number of tokens"),
        ("design,source,gops\nA,B,1\nA,C,2\n", "has two rows for the same workload, the other one in line 2"),
        ('design,source,gops\nA,"B,1\n', "is not a CSV file"),
        ("design,source,gops\nA,B\x1b[31m,1\n", "printable characters"),
        ("design,source,gops\nA,B\0,1\n", "contains zero bytes"),
    ],
)
def test_each_fault_has_one_message_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_points(file)
    assert message in str(refused.value)
    assert str(refused.value).replace("\n", "").isprintable()


def test_all_faults_of_a_file_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    file.write_text("design,source,gops\nA,B,x\n,B,1\nC,D,2\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_points(file)
    assert [problem.source for problem in refused.value.problems] == ["points.csv:2", "points.csv:3"]
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        read_points(file)
    with pytest.raises(ConfigError):
        read_points(tmp_path / "none.csv")
