"""Trace files: round trips, the shipped files, and invalid files."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads import trace as trace_module
from workloads.checked_fields import Boolean, Integer, Integers, Name, OneOf, Optional, Rule, Texts, rules
from workloads.decoder_ops import decode_step, prefill
from workloads.expert_ops import GroupedProjection
from workloads.kv_cache import KvCacheSpec
from workloads.latent_ops import LatentAppend, LatentScores, LatentValues
from workloads.models import find_model
from workloads.op_kinds import KINDS
from workloads.ops import BLOCK_INPUT, AttentionMatmul, KVAppend, Norm, Op, Projection, Residual
from workloads.trace import Block, CacheRule, Trace, dumps, loads, read_trace, write_trace
from workloads.workload_errors import SpecError, TraceError

TRACES = Path(__file__).parents[2] / "traces"
SHIPPED = {
    "gpt2-medium-decode-128.json": ("gpt2-medium", 128),
    "opt-6.7b-decode-1024.json": ("opt-6.7b", 1024),
    "llama-3-8b-decode-4096.json": ("llama-3-8b", 4096),
}
SMALL = decode_step(find_model("gpt2-medium"), 128)


def values_of(rule: Rule) -> st.SearchStrategy[Any]:
    if isinstance(rule, Integer):
        return st.integers(rule.low, rule.high)
    if isinstance(rule, OneOf):
        return st.sampled_from(rule.choices)
    if isinstance(rule, Boolean):
        return st.booleans()
    if isinstance(rule, Optional):
        return st.none() | values_of(rule.rule)
    if isinstance(rule, Integers):
        return st.lists(st.integers(rule.low, rule.high), max_size=3).map(tuple)
    if isinstance(rule, CacheRule):
        return st.sampled_from([KvCacheSpec(keep="recent", recent=9, sinks=2), KvCacheSpec(key_bits=16)])
    if isinstance(rule, Texts):
        return st.lists(st.text("ab é%", min_size=1, max_size=400), max_size=3).map(tuple)
    assert isinstance(rule, Name)
    return st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.:/+-]{0,20}", fullmatch=True)


@st.composite
def blocks(draw: st.DrawFn, name: str) -> Block:
    ops: list[Op] = []
    for number in range(draw(st.integers(1, 6))):
        kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
        # What reads a cache, scores or values must have their shape, so that here nothing reads these, and attention
        # reads the block's input.
        shaped = KVAppend | LatentAppend | AttentionMatmul
        free = [op.name for op in ops if not isinstance(op, shaped)]
        earlier = st.sampled_from([BLOCK_INPUT] if issubclass(kind, shaped) else [BLOCK_INPUT, *free])
        values = {key: draw(values_of(rule)) for key, rule in rules(kind).items() if key not in ("name", "inputs")}
        if issubclass(kind, AttentionMatmul):
            values |= {"context": 1, "heads": values["kv_heads"], "cached": draw(st.none() | st.just(1))}
        if issubclass(kind, Projection):
            most = values["vectors"] * values["in_features"]
            values["input_elements"] = draw(st.none() | st.integers(1, min(most, 2**40)))
        if issubclass(kind, GroupedProjection):
            loads = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
            values |= {"matrices": draw(st.integers(len(loads), 9)), "loads": tuple(loads), "vectors": sum(loads)}
            values["input_elements"] = None
        if issubclass(kind, LatentScores | LatentValues):
            values["kv_heads"] = values["heads"] if values["expanded"] else 1
        ops.append(kind(f"op{number}", tuple(draw(st.lists(earlier, min_size=1, max_size=3))), **values))
    return Block(name=name, repeat=draw(values_of(rules(Block)["repeat"])), ops=tuple(ops))


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    head = {key: draw(values_of(rule)) for key, rule in rules(Trace).items() if key != "blocks"}
    names = draw(st.lists(values_of(Name()), min_size=1, max_size=3, unique=True))
    return Trace(**head, blocks=tuple(draw(blocks(name)) for name in names))


@given(trace=traces())
def test_reading_gives_back_what_was_written(trace: Trace) -> None:
    text = dumps(trace)
    assert loads(text) == trace
    assert dumps(loads(text)) == text


def test_files_round_trip_and_leave_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    write_trace(SMALL, path)
    assert read_trace(path) == read_trace(str(path)) == SMALL
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == dumps(SMALL).encode()


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_traces_are_what_decode_step_writes(name: str, tmp_path: Path) -> None:
    model, context = SHIPPED[name]
    write_trace(decode_step(find_model(model), context), tmp_path / name)
    assert (tmp_path / name).read_bytes() == (TRACES / name).read_bytes()


def test_no_other_traces_are_shipped() -> None:
    """Traces of published macros have one projection each, and are tested with the configs of the macros."""
    names = {path.name for path in TRACES.glob("*.json")}
    macros = {name for name in names if name.startswith("macro-")}
    assert names - macros == set(SHIPPED)
    assert all([op.kind for _, op in read_trace(TRACES / name).ops()] == ["projection"] for name in macros)


def test_one_op_per_line() -> None:
    lines = [line for line in dumps(SMALL).splitlines() if '"kind"' in line]
    assert [json.loads(line.rstrip(","))["name"] for line in lines] == [op.name for _, op in SMALL.ops()]


def test_macs_count_repeats_and_ops_do_not() -> None:
    (block,) = SMALL.blocks
    assert SMALL.macs == block.macs == 24 * sum(op.macs for op in block.ops)
    assert [pair[1] for pair in SMALL.ops()] == list(block.ops)


# A block or a trace that does not fit together.


def norm(name: str, *inputs: str) -> Norm:
    return Norm(name, inputs, norm="rmsnorm", vectors=1, elements=4)


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        ((), "ops must be a list of at least one op"),
        ((norm("a", "input"), norm("a", "a")), "the op name 'a' is used twice"),
        ((norm("input", "input"),), "the op name 'input' is reserved for the input of the block"),
        ((norm("a", "a"),), "op 'a' reads 'a', which is not an earlier op"),
        ((norm("a", "later"), norm("later", "a")), "op 'a' reads 'later', which is not an earlier op"),
        (
            (norm("q_proj", "input"), norm("b", "q_porj")),
            r"reads 'q_porj', which is not an earlier op \(did you mean q_proj",
        ),
        ((norm("a", "x"), norm("b", "y")), "'x'.*; .*'y'"),
        ((Op("a", ("input",)),), "ops must contain only ops"),
        ((norm("a", "input"), "b"), "ops must contain only ops, not 'b'"),
    ],
)
def test_inconsistent_blocks(ops: tuple[Op, ...], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Block(name="layer", repeat=1, ops=ops)


def test_inconsistent_traces() -> None:
    block = Block(name="layer", repeat=1, ops=(Residual("r", ("input", "input"), vectors=1, elements=4),))
    head: dict[str, Any] = {"model": "m", "phase": "decode", "context_length": 4, "tokens": 1}
    with pytest.raises(SpecError, match="block name 'layer' is used twice"):
        Trace(**head, blocks=(block, block))
    with pytest.raises(SpecError, match=r"phase must be one of decode, prefill, not 'prefil' \(did you mean prefill"):
        Trace(**head | {"phase": "prefil"}, blocks=(block,))
    with pytest.raises(
        SpecError, match="op 'scores' of block 'layer' attends to 128 entries, more than context_length 4"
    ):
        Trace(**head, blocks=SMALL.blocks)
    with pytest.raises(SpecError, match="blocks must be a list of at least one block"):
        Trace(**head, blocks=())


def test_the_context_bounds_attention_in_every_phase() -> None:
    blocks = prefill(find_model("gpt2-medium"), 9).blocks
    head: dict[str, Any] = {"model": "m", "phase": "prefill", "tokens": 9}
    assert Trace(**head, context_length=9, blocks=blocks).macs == Trace(**head, context_length=10, blocks=blocks).macs
    with pytest.raises(SpecError, match=r"op 'values' .* attends to 9 entries, more than context_length 8"):
        Trace(**head, context_length=8, blocks=blocks)


# Files that are wrong.


def document() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(dumps(SMALL))
    return value


def refusal(text: str | bytes) -> str:
    with pytest.raises(TraceError) as caught:
        loads(text, source="bad.json")
    message = str(caught.value)
    assert message.startswith("bad.json is not a valid trace:\n")
    assert len(message.splitlines()) <= 12
    assert all(len(line) < 500 for line in message.splitlines())  # the names of all kinds of op take 330
    return message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is not JSON: Expecting value in line 1, column 1"),
        ("{", "it is not JSON"),
        (b"\xff\xfe", "it is not UTF-8 text (byte 0)"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("1" * 5000, "an integer of 5000 digits"),
        ('{"tokens": NaN}', "NaN is not a JSON number"),
        ('{"tokens": -Infinity}', "-Infinity is not a JSON number"),
        ("[]", "must be an object, not a list of 0"),
        ('"text"', "must be an object, not 'text'"),
        ("{}", "schema_version is missing"),
        ('{"schema_version": 2}', "schema_version is 2, but must be 1"),
        ('{"schema_version": true}', "schema_version is True, but must be 1"),
        ('{"schema_version": 1, "model": "a", "model": "b"}', "model occurs twice"),
    ],
)
def test_files_that_are_not_traces(text: str | bytes, message: str) -> None:
    assert message in refusal(text)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("context_length", 0, "context_length must be an integer from 1 to 1048576, not 0"),
        ("context_length", 10**9, "context_length must be an integer"),
        ("context_length", 1e999, "Infinity is not a JSON number"),
        ("tokens", "1", "tokens must be an integer from 1 to 1099511627776, not '1'"),
        ("model", "x" * 10**6, "model must be a name of 1 to 100"),
        ("model", "\ud800", r"not '\ud800'"),
        ("phase", "dekode", "phase must be one of decode, prefill, not 'dekode' (did you mean decode?)"),
        ("blocks", {}, "blocks must be a list of at least one block, not an object with 0 keys"),
        ("blocks", [], "blocks must be a list of at least one block, not a list of 0"),
        ("blocks", [7], "blocks[0] must be an object, not 7"),
        ("blocks", [{"name": "b"}], "blocks[0].repeat is missing"),
        ("contxt_length", 1, "contxt_length is unknown (did you mean context_length?)"),
        ("a key with blanks", 1, "'a key with blanks' is unknown"),
    ],
)
def test_wrong_keys_at_the_top(key: str, value: object, message: str) -> None:
    assert message in refusal(json.dumps(document() | {key: value}))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("kind", "projektion", "ops[1].kind must be one of norm, projection, "),
        ("kind", ["projection"], "ops[1].kind must be one of"),
        ("kind", None, "not None"),
        ("role", "qq", "ops[1].role must be one of q, k, v, o, "),
        ("in_features", 1.0, "ops[1].in_features must be an integer from 1 to 1099511627776, not 1.0"),
        ("in_features", 2**41, "ops[1].in_features must be an integer"),
        ("in_feature", 1, "ops[1].in_feature is unknown (did you mean in_features"),
        ("inputs", "input", "ops[1].inputs must be a list of at least 1 names, not 'input'"),
        ("inputs", [], "ops[1].inputs must be a list of at least 1 names, not a list of 0"),
        ("inputs", [None], "ops[1].inputs must be a name"),
        ("inputs", ["attn_nrom"], "op 'q_proj' reads 'attn_nrom', which is not an earlier op (did you mean attn_norm?"),
        ("name", "attn_norm", "blocks[0] Block 'layer': the op name 'attn_norm' is used twice"),
    ],
)
def test_wrong_keys_in_an_op(key: str, value: object, message: str) -> None:
    wrong = document()
    wrong["blocks"][0]["ops"][1][key] = value
    assert message in refusal(json.dumps(wrong))


def test_a_trace_without_windows_and_notes_is_written_as_before_these_existed() -> None:
    assert not any(f'"{key}"' in dumps(SMALL) for op in (*KINDS.values(), Trace) for key in op.optional_keys)
    spec = replace(find_model("gpt2-medium"), window=8, notes=("its tail is not modelled",))
    text = dumps(prefill(spec, 20))
    assert text.count('"cached": 20') == 2
    assert '"notes": ["its tail is not modelled"]' in text
    assert loads(text) == prefill(spec, 20)


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        ("a", "notes must be a list of at most 20 sentences, not 'a'"),
        (["a"] * 21, "notes must be a list of at most 20 sentences, not a list of 21"),
        ([1], "notes must contain only lines of 1 to 400 characters, not 1"),
        (["a\x1b[2J"], "notes must contain only lines of 1 to 400 characters, not 'a\\x1b[2J'"),
    ],
)
def test_notes_are_checked(notes: object, message: str) -> None:
    assert message in refusal(json.dumps(document() | {"notes": notes}))


@pytest.mark.parametrize("cached", [0, 127, 129, "128"])
def test_cached_entries_are_checked(cached: object) -> None:
    wrong = document()
    wrong["blocks"][0]["ops"][5]["cached"] = cached
    assert "cached must be" in refusal(json.dumps(wrong))


def test_missing_keys_in_an_op() -> None:
    wrong = document()
    del wrong["blocks"][0]["ops"][1]["role"]
    del wrong["blocks"][0]["ops"][2]["kind"]
    del wrong["blocks"][0]["ops"][5]["sequences"]
    message = refusal(json.dumps(wrong))
    assert "blocks[0].ops[5].sequences is missing" in message
    assert "blocks[0].ops[1].role is missing" in message
    assert "blocks[0].ops[2].kind is missing; it must be one of norm, " in message


def test_several_problems_are_listed_together() -> None:
    wrong = document() | {"tokens": 0, "extra": 1}
    wrong["blocks"][0]["repeat"] = -1
    wrong["blocks"][0]["ops"][0]["norm"] = "batchnorm"
    wrong["blocks"][0]["ops"][5]["heads"] = 7
    message = refusal(json.dumps(wrong))
    paths = (
        "tokens must",
        "extra is unknown",
        "blocks[0].repeat must",
        "blocks[0].ops[0].norm must",
        "blocks[0].ops[5]",
    )
    assert all(f"\n  {path}" in message for path in paths)
    assert "heads must be a multiple of kv_heads, not 7 with 16" in message


def test_a_long_list_of_problems_is_shortened() -> None:
    wrong = document()
    wrong["blocks"][0]["ops"] = [1] * 1000
    message = refusal(json.dumps(wrong))
    assert len(message.splitlines()) == 12
    assert message.endswith("... and more")


# Paths that cannot be read or written.


@pytest.mark.parametrize("path", ["", "no/such/file.json", "a\0b", "x" * 5000, "\udcff.json", "."])
def test_paths_that_cannot_be_used(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TraceError, match="cannot read the trace: ") as caught:
        read_trace(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1200
    if path != "\udcff.json":  # writable where file names are bytes
        with pytest.raises(TraceError, match="cannot write the trace: "):
            write_trace(SMALL, path)


def test_a_directory_is_neither_read_nor_replaced(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="not a regular file"):
        read_trace(tmp_path)
    with pytest.raises(TraceError, match="cannot write the trace"):
        write_trace(SMALL, tmp_path)
    assert not list(tmp_path.parent.glob(".*.partial"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_is_rejected_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(TraceError, match="not a regular file"):
        read_trace(tmp_path / "fifo")


def test_a_file_over_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "big.json"
    with path.open("wb") as file:
        file.truncate(trace_module.MAX_FILE_BYTES + 1)
    with pytest.raises(TraceError, match=r"big\.json: cannot read the trace: larger than 16 MiB"):
        read_trace(path)


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text("{}")
    with pytest.raises(TraceError) as caught:
        read_trace(path)
    assert str(caught.value).startswith(f"{path} is not a valid trace:\n  schema_version is missing")
