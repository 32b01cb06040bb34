"""DRAM standards: their rules are those of Ramulator 2.1, and a file or a part that does not fit is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from pimsim import load_config, load_plugin
from pimsim.base.errors import ConfigError, PluginError
from pimsim.config.schema import DramConfig
from pimsim.hardware.machine import build_machine
from pimsim.hardware.shared.dram_delays import ChannelDelays
from pimsim.hardware.shared.dram_standard import FOLDER, STANDARDS, find_standard, register_dram_standard
from pimsim.hardware.shared.dram_timing import Timing
from tests.support.closeness import near
from tests.support.registries import restored_registries

# Latencies of python/ramulator/dram/{hbm3,lpddr6}.py (Ramulator 2.1), worked out by hand in CK from their presets.
HBM3_CK = {  # nBL 2, nCL 20, nCWL 10
    ("ACT", "RD", "bank"): 31,
    ("ACT", "WR", "bank"): 15,
    ("ACT", "PRE", "bank"): 45,
    ("ACT", "ACT", "bank"): 72,
    ("PRE", "ACT", "bank"): 26,
    ("RD", "PRE", "bank"): 9,
    ("WR", "PRE", "bank"): 10 + 2 + 33,
    ("ACT", "ACT", "channel"): 4,
    ("ACT", "ACT", "group"): 5,
    ("PRE", "PRE", "channel"): 2,
    ("RD", "RD", "channel"): 2,
    ("RD", "RD", "group"): 4,
    ("WR", "WR", "group"): 4,
    ("RD", "WR", "channel"): 20,
    ("WR", "RD", "channel"): 10 + 2 + 7,
    ("WR", "RD", "group"): 10 + 2 + 10,
    ("ACT", "REFpb", "bank"): 72,
    ("PRE", "REFpb", "bank"): 26,
    ("REFpb", "ACT", "bank"): 320,
    ("REFpb", "ACT", "channel"): 8,
    ("REFpb", "REFpb", "channel"): 8,
    ("ACT", "REFpb", "channel"): 4,
}
LPDDR6_CK = {  # nBL_min 6, nBL_max 12, nRL 56, nWL 26, nACU 59; nRTW of 41 and 47 with ODT
    ("ACT", "RD", "bank"): 48,
    ("ACT", "WR", "bank"): 22,
    ("ACT", "PRE", "bank"): 54,
    ("ACT", "ACT", "bank"): 54 + 59 + 56,
    ("PRE", "ACT", "bank"): 59 + 48,
    ("RD", "PRE", "bank"): 14,
    ("WR", "PRE", "bank"): 26 + 12 + 32,
    ("ACT", "ACT", "channel"): 10,
    ("PRE", "PRE", "channel"): 4,
    ("RD", "RD", "channel"): 6,
    ("RD", "RD", "group"): 10,
    ("WR", "WR", "channel"): 6,
    ("WR", "WR", "group"): 10,
    ("RD", "WR", "channel"): 41,
    ("RD", "WR", "group"): 47,
    ("WR", "RD", "channel"): 26 + 6 + 17,
    ("WR", "RD", "group"): 26 + 12 + 32,
    ("REFab", "ACT", "channel"): 1014,
}


def dram_of(name: str, *settings: str) -> DramConfig:
    dram = load_config(name, [f"machine.memory.dram.{each}" for each in settings]).machine.memory.dram
    assert dram is not None
    return dram


@pytest.mark.parametrize(
    ("name", "refresh", "ck_ps", "expected"),
    [("memory-hbm3-timing", "per_bank", 625, HBM3_CK), ("memory-lpddr6-timing", "all_bank", 375, LPDDR6_CK)],
)
def test_delays_are_those_of_ramulator(
    name: str, refresh: str, ck_ps: int, expected: dict[tuple[str, str, str], int]
) -> None:
    timing = Timing.of(dram_of(name, f"refresh={refresh}"))
    for (before, after, scope), ck in expected.items():
        found = [
            each.delay_ps
            for each in timing.rules
            if before in each.before and after in each.after and (each.scope, each.window) == (scope, 1)
        ]
        assert found == [ck * ck_ps], (before, after, scope)
    [window] = [each for each in timing.rules if each.window > 1]
    assert (window.window, window.delay_ps) == (4, {625: 24, 375: 40}[ck_ps] * ck_ps)


def test_lpddr5_refreshes_banks_in_pairs_eight_apart() -> None:
    """Ramulator 2, LPDDR5.cpp: REFpb closes banks b and b + 8; the number of a bank there is 4 x group + bank."""
    timing = Timing.of(dram_of("memory-lpddr5-timing", "refresh=per_bank"))
    theirs = {tuple(4 * (bank % 4) + bank // 4 for bank in banks) for banks in timing.refreshed}
    assert theirs == {(bank, bank + 8) for bank in range(8)}
    assert timing.refi * len(timing.refreshed) == near(3.906e6, rel=1e-3)


def test_every_shipped_standard_says_where_its_rules_come_from() -> None:
    assert STANDARDS.shipped == ("common", "hbm2", "hbm3", "lpddr4", "lpddr5", "lpddr6")
    for name in STANDARDS.shipped:
        standard = find_standard(name)
        assert standard.name == name
        assert all(len(rule.source) > 10 or rule.confidence == "S" for rule in standard.rules)
        assert set(standard.scopes) >= {"channel", "bank"}


def test_a_table_without_a_standard_has_the_rules_of_earlier_revisions() -> None:
    """LPDDR5's and HBM2's tables give the same delays under `common`, which a table without the key has."""
    for name in ("memory-lpddr5-timing", "memory-hbm2-timing"):
        dram = dram_of(name)
        old = {key: value for key, value in dram.model_dump().items() if key not in ("standard", "timings")}
        bare = DramConfig(**old)
        assert bare.standard == "common"
        assert ChannelDelays.of(Timing.of(bare), bare) == ChannelDelays.of(Timing.of(dram), dram)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ["refresh=per_bank", "timings.tpbr2pbr_s=null"],
            "timings.tpbr2pbr_s: this timing is missing: the standard lpddr5",
        ),
        (["timings.trfc_bnk_s=1 ns"], "did you mean trfc_bank_s?"),
        (["timings.trcd_s=1 ns"], "is the key machine.memory.dram.trcd_s; give it there"),
        (["timings.tck=1e-9"], "has no unit; write tck_s"),
        (
            ["standard=lpddr6", "refresh=per_bank"],
            "the standard lpddr6 has no refresh of single banks; use all_bank or",
        ),
        (["standard=lpddr6"], "timings.burst_max_s: this timing is missing: the standard lpddr6 needs it for tWTP"),
        (["refresh=per_bank", "bank_groups=3", "tccd_long_s=2.5 ns"], "3 bank groups do not allow"),
        (["refresh=per_bank", "timings.trefi_bank_s=20 ns"], "would use more than half of the time"),
    ],
)
def test_a_part_that_does_not_fit_is_refused(settings: list[str], said: str) -> None:
    config = load_config("memory-lpddr5-timing", [f"machine.memory.dram.{each}" for each in settings])
    with pytest.raises(ConfigError) as refused:
        build_machine(config.machine)
    assert said in str(refused.value)


def test_refreshes_that_a_window_of_activates_delays_more_and_more_are_refused() -> None:
    """LPDDR4 allows four activates or refreshes of banks in a tFAW of 1 us: one in 250 ns; one in 488 ns is due."""
    key = "machine.memory.dram"
    allowed = load_config("memory-lpddr4x-timing", [f"{key}.refresh=per_bank", f"{key}.tfaw_s=960 ns"])
    build_machine(allowed.machine)
    config = load_config("memory-lpddr4x-timing", [f"{key}.refresh=per_bank", f"{key}.tfaw_s=1 us"])
    with pytest.raises(ConfigError, match=r"use more than half of the time; .* and others for up to 250 ns"):
        build_machine(config.machine)


def test_an_unknown_name_is_refused_with_what_is_registered_and_how_to_register() -> None:
    with pytest.raises(ConfigError) as refused:
        load_config("memory-lpddr5-timing", ["machine.memory.dram.standard=lpddr7"])
    said = str(refused.value)
    assert "machine.memory.dram.standard: 'lpddr7' is not a registered DRAM standard; registered: common, hbm2" in said
    assert "did you mean lpddr" in said
    assert "--plugin FILE.py" in said
    assert "pimsim.dram_standards" in said


def content(name: str = "lpddr5") -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return {**tree, "name": "mine"}


def test_a_registered_standard_is_used_and_is_checked_against_the_model() -> None:
    """With a rule that only this file has: precharges 30 ns apart delay a row; and one that no channel can keep."""
    with restored_registries():
        tree = content()
        rule = {"name": "tPPD", "before": ["PRE"], "after": ["PRE"], "scope": "rank", "delay": "tppd"}
        tree["rules"].append({**rule, "source": "test", "confidence": "S"})
        register_dram_standard(tree)
        register_dram_standard(copy.deepcopy(tree))
        delays = ChannelDelays.of(
            Timing.of(dram := dram_of("memory-lpddr5-timing", "standard=mine", "timings.tppd_s=30 ns")), dram
        )
        assert delays.ppd == 30_000
        with pytest.raises(ValueError, match="already registered"):
            register_dram_standard({**tree, "rules": tree["rules"][:-1]})
        tree["name"] = "odd"
        tree["rules"][-1]["after"] = ["RD"]
        register_dram_standard(tree)
        dram = dram_of("memory-lpddr5-timing", "standard=odd", "timings.tppd_s=30 ns")
        with pytest.raises(ConfigError, match="rule tPPD from precharge to read in the scope channel, which the model"):
            ChannelDelays.of(Timing.of(dram), dram)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("delay: trcd,", "delay: trcd / 2,", "mine.yaml:16)"),
        (
            "delay: trcd,",
            "delay: trcd / 2,",
            "rules.0.delay: 'trcd / 2' is not a delay: expected the name of a timing, a number",
        ),
        (
            "before: [ACT], after: [RD, WR]",
            "before: [ACTV], after: [RD, WR]",
            "rules.0.before: there is no command ACTV, which rule tRCD names; did you mean ACT?  (mine.yaml:16)",
        ),
        (
            "after: [RD, WR], scope: bank, delay: trcd",
            "after: [RDX, WRX], scope: bank, delay: trcd",
            "no command WRX, which rule tRCD names; did you mean WR?  (mine.yaml:16)",  # the second of two problems
        ),
        ("before: [RD], after: [PRE]", "before: [RD], after: [RD]", "lacks a rule from RD to PRE"),
        ("does: read", "does: fetch", "is not one of activate, precharge, read, write, refresh, not_issued"),
        (
            "scopes: [channel, rank, bank_group, bank]",
            "scopes: [channel, rank, bank]",
            "scope bank_group is not one of",
        ),
        (", every: trefi}", "}", "`every` belongs to a refresh"),
        ("confidence: A}", "confidence: Z}", "is not one of A, B, C, R, S, F"),
        ("window: 4", "windows: 4", "did you mean"),
        ("name: lpddr5", "name: null", "name"),
        ("rules:", "rules: [", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_standard_is_refused_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = (FOLDER / "lpddr5.yaml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with restored_registries(), pytest.raises(ConfigError) as refused:
        register_dram_standard(path)
    assert said in str(refused.value), str(refused.value)


@pytest.mark.parametrize(
    ("delay", "said"),
    [
        (
            "trdc",
            "timings.trdc_s: this timing is missing: the standard mine needs it for tRCD (trdc); did you mean trcd?",
        ),
        # tRCD of memory-lpddr5-timing is 18.75 ns: 18.75 - 3 * 18.75 = -37.5.
        (
            "trcd - 3 * trcd",
            "tRCD of the standard mine has a negative delay: trcd - 3 * trcd is -37.5 ns with the timings of this part",
        ),
    ],
)
def test_a_wrong_delay_is_refused_with_its_place(tmp_path: Path, delay: str, said: str) -> None:
    text = (FOLDER / "lpddr5.yaml").read_text(encoding="utf-8").replace("name: lpddr5", "name: mine")
    (tmp_path / "mine.yaml").write_text(text.replace("delay: trcd,", f"delay: {delay},"), encoding="utf-8")
    with restored_registries():
        register_dram_standard(tmp_path / "mine.yaml")
        with pytest.raises(ConfigError) as refused:
            Timing.of(dram_of("memory-lpddr5-timing", "standard=mine"))
    assert said in str(refused.value), str(refused.value)
    assert "(mine.yaml:16)" in str(refused.value)


def test_every_problem_of_a_standard_that_a_plugin_registers_is_told(tmp_path: Path) -> None:
    text = (FOLDER / "lpddr5.yaml").read_text(encoding="utf-8").replace("name: lpddr5", "name: mine")
    (tmp_path / "mine.yaml").write_text(text.replace("confidence: A", "confidence: Z"), encoding="utf-8")
    (tmp_path / "own.py").write_text(
        "from pathlib import Path\n"
        "from pimsim.hardware.shared.dram_standard import register_dram_standard\n"
        "register_dram_standard(Path(__file__).with_name('mine.yaml'))\n",
        encoding="utf-8",
    )
    with restored_registries(), pytest.raises(PluginError) as refused:
        load_plugin(tmp_path / "own.py")
    first, *problems, last = str(refused.value).split("\n")
    assert first.startswith(f"{tmp_path}/own.py:3: the plugin raises {tmp_path}/mine.yaml: ")
    assert problems[0].startswith("  rules.0.confidence: 'Z' is not one of A, B, C, R, S, F")
    assert problems[0].endswith("(mine.yaml:17)")
    assert len(problems) > 9
    assert last == "  PIMSIM_DEBUG=1 shows the traceback"
