"""Request traces of other projects: times, token counts and what is said about the rest."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.base.errors import WorkloadInputError
from pimsim.importers.request_traces.request_trace import RequestTrace
from pimsim.importers.request_traces.trace_reading import read_request_trace
from pimsim.importers.request_traces.trace_selection import TraceSelection
from workloads.requests import check_requests
from workloads.shipped import network_folder

AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-03-04 09:00:00.0000000,310,40
2023-03-04 09:00:02.5000000,512,96
2023-03-04 09:00:02.7500000,64,1
"""
BURSTGPT = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
4,ChatGPT,300,20,320,Conversation log
9,ChatGPT,900,200,1100,API log
30,GPT-4,250,0,250,Conversation log
"""
MOONCAKE = """{"timestamp": 0, "input_length": 1400, "output_length": 50, "hash_ids": [0, 1, 2]}
{"timestamp": 0, "input_length": 1100, "output_length": 40, "hash_ids": [0, 1, 7]}
{"timestamp": 3000, "input_length": 600, "output_length": 80, "hash_ids": [0, 9]}
"""
LLMSERVINGSIM = """{"input_toks": 96, "output_toks": 24, "arrival_time_ns": 0, "input_tok_ids": [5, 6]}
{"input_toks": 48, "output_toks": 12, "arrival_time_ns": 70000000}
"""
VLLM = """{"prompt": "Name three memory technologies.", "output_tokens": 12}
{"prompt": "What does a word line do?", "output_tokens": 30}
"""
SHAREGPT = """[{"id": "one", "conversations": [{"from": "human", "value": "What is a crossbar?"},
 {"from": "gpt", "value": "A grid of cells at the crossings of two sets of lines."}]}]
"""
EPOCH = """{"arrival_s": 1700000000.5, "prompt_tokens": 20, "output_tokens": 3}
{"arrival_s": 1700000004.25, "prompt_tokens": 12, "output_tokens": 5}
"""
SERVED = """arrival_s,prompt_tokens,output_tokens,prefix_hashes,Priority,ttft_deadline_s,cancel_s
0,20,3,1 2,2,0.5,
1.5,12,5,,,,4
"""
# The first rows of AzureLLMInferenceTrace_conv.csv and of the same trace as microsoft/vidur publishes it, converted, in
# data/processed_traces/splitwise_conv.csv: another project's reading of the dates.
AZURE_CONVERSATION = """TIMESTAMP,ContextTokens,GeneratedTokens\r
2023-11-16 18:15:46.6805900,374,44\r
2023-11-16 18:15:50.9951690,396,109\r
\r
"""
VIDUR = """arrived_at,num_prefill_tokens,num_decode_tokens
0.0,374,44
4.314579,396,109
"""
# The form of 2024, with a time zone and without a fraction where it is 0, quoted as spreadsheets do.
AZURE_2024 = """TIMESTAMP;"ContextTokens";GeneratedTokens
2024-05-12 00:00:00+00:00;"100";10
"2024-05-12 02:00:10.25+02:00";200;20.0"""
BURSTGPT_3 = """Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type
19440110.0,1722ac82,43,GPT-4,906,446,1352,Conversation log
19440161.5,,2,ChatGPT,36,29,65,API log
"""
VIDUR_LENGTHS = "num_prefill_tokens,num_decode_tokens,pd_ratio\n374,44,8.5\n3,4,1\n"
SESSION = '{"session_id": "s", "arrival_time_ns": 1, "sub_requests": []}'
EVERYTHING = TraceSelection()
TOKENIZER = network_folder("kjv-bitnet")  # one token per character


def read(folder: Path, content: str | bytes, selection: TraceSelection = EVERYTHING, **options: object) -> RequestTrace:
    path = folder / "trace"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_request_trace(path, selection, **options)  # type: ignore[arg-type]


def figures(trace: RequestTrace) -> list[tuple[float, int, int]]:
    return [(each.arrival_s, each.prompt_tokens, each.output_tokens) for each in trace]


def as_list(lines: str) -> str:
    return json.dumps([json.loads(line) for line in lines.splitlines()], indent=1)


@pytest.mark.parametrize(
    ("content", "known", "wanted"),
    [
        (AZURE, "Azure LLM inference trace", [(0.0, 310, 40), (2.5, 512, 96), (2.75, 64, 1)]),
        (AZURE_CONVERSATION, "Azure LLM inference trace", [(0.0, 374, 44), (4.314579, 396, 109)]),
        (VIDUR, "Vidur trace", [(0.0, 374, 44), (4.314579, 396, 109)]),
        (gzip.compress(AZURE_2024.encode(), mtime=0), "Azure LLM inference trace", [(0.0, 100, 10), (10.25, 200, 20)]),
        (AZURE_2024, "Azure LLM inference trace", [(0.0, 100, 10), (10.25, 200, 20)]),
        (BURSTGPT, "BurstGPT trace", [(0.0, 300, 20), (5.0, 900, 200)]),
        (BURSTGPT_3, "BurstGPT trace", [(0.0, 906, 446), (51.5, 36, 29)]),
        (MOONCAKE, "Mooncake trace", [(0.0, 1400, 50), (0.0, 1100, 40), (3.0, 600, 80)]),
        (as_list(MOONCAKE), "Mooncake trace", [(0.0, 1400, 50), (0.0, 1100, 40), (3.0, 600, 80)]),
        (LLMSERVINGSIM, "LLMServingSim workload", [(0.0, 96, 24), (0.07, 48, 12)]),
        ("input_toks\toutput_toks\tarrival_time_ns\n8\t9\t5\n", "LLMServingSim workload", [(0.0, 8, 9)]),
        (EPOCH, "pimsim request file", [(0.0, 20, 3), (3.75, 12, 5)]),
        (as_list(EPOCH), "pimsim request file", [(0.0, 20, 3), (3.75, 12, 5)]),
        ("\ufeff" + EPOCH.replace("1700000000.5", "0").replace("1700000004.25", "2"), "pimsim request file",
         [(0.0, 20, 3), (2.0, 12, 5)]),
        ("\ufeffarrival_s,prompt_tokens,output_tokens\n2,20,3\n", "pimsim request file", [(2.0, 20, 3)]),
        (VIDUR_LENGTHS, "Vidur trace", [(0.0, 374, 44), (0.0, 3, 4)]),
    ],
)  # fmt: skip
def test_a_trace_is_recognised_by_its_columns(
    tmp_path: Path, content: str | bytes, known: str, wanted: list[tuple[float, int, int]]
) -> None:
    trace = read(tmp_path, content)
    assert trace.format == known
    assert figures(trace) == wanted


def test_texts_are_counted_by_a_tokenizer_which_is_asked_for(tmp_path: Path) -> None:
    """The shipped tokenizer has one token per character: the lengths of the texts, 31, 25, 19 and 54."""
    assert figures(read(tmp_path, VLLM, tokenizer=TOKENIZER)) == [(0.0, 31, 12), (0.0, 25, 30)]
    assert figures(read(tmp_path, SHAREGPT, tokenizer=TOKENIZER / "tokenizer.json")) == [(0.0, 19, 54)]
    for content in (VLLM, SHAREGPT):
        with pytest.raises(
            WorkloadInputError, match=r"its tokens are counted by a tokenizer; give its tokenizer\.json"
        ):
            read(tmp_path, content)
    with pytest.raises(
        WorkloadInputError, match="a tokenizer has no effect: an Azure LLM inference trace has token counts"
    ):
        read(tmp_path, AZURE, tokenizer=TOKENIZER)


def test_rows_without_tokens_are_counted_and_what_is_not_used_is_said(tmp_path: Path) -> None:
    trace = read(tmp_path, BURSTGPT + "31,GPT-4,0,7,7,API log\n")
    assert trace.skipped == 2
    assert repr(trace) == "<RequestTrace format: BurstGPT trace, requests: 2, skipped: 2>"
    assert trace.notes == (
        "requests: BurstGPT trace; arrival times count from the first request; not used: Model, Total tokens, Log Type",
        "requests: 1 of 4 rows has no output tokens and is skipped",
        "requests: 1 of 4 rows has no prompt tokens and is skipped",
    )
    with pytest.raises(WorkloadInputError, match="contains no request; 1 of 1 rows has no output tokens"):
        read(tmp_path, "\n".join([BURSTGPT.splitlines()[0], BURSTGPT.splitlines()[3]]))


def test_prefix_hashes_are_kept(tmp_path: Path) -> None:
    assert [each.prefix_hashes for each in read(tmp_path, MOONCAKE)] == [(0, 1, 2), (0, 1, 7), (0, 9)]
    vidur = 'arrived_at,num_prefill_tokens,num_decode_tokens,block_hash_ids\n0,9,9,"[4, -7]"\n1,9,9,4|8\n2,9,9,\n'
    assert [each.prefix_hashes for each in read(tmp_path, vidur)] == [(4, -7), (4, 8), ()]
    late = MOONCAKE.replace(', "hash_ids": [0, 1, 2]', "")  # the first object does not have the key
    assert [each.prefix_hashes for each in read(tmp_path, late)] == [(), (0, 1, 7), (0, 9)]


def test_tokens_per_hash_are_those_of_the_trace(tmp_path: Path) -> None:
    """Blocks of 512 tokens: kvcache-ai/Mooncake, FAST25-release; a file of Vidur states its own in `block_size`."""
    assert read(tmp_path, MOONCAKE).hash_tokens == 512
    vidur = "arrived_at,num_prefill_tokens,num_decode_tokens,block_hash_ids,block_size\n0,9,9,4|5,{}\n1,9,9,4,{}\n"
    assert read(tmp_path, vidur.format(8, 8)).hash_tokens == 8
    assert read(tmp_path, vidur.replace(",block_size", "").replace(",{}", "")).hash_tokens is None
    with pytest.raises(WorkloadInputError, match="line 3: block_size must be 8 as in the rows before, not 16"):
        read(tmp_path, vidur.format(8, 16))
    with pytest.raises(WorkloadInputError, match="line 2: block_size must be at least 1, not 0"):
        read(tmp_path, vidur.format(0, 8))


def test_what_requests_ask_of_the_server_is_kept(tmp_path: Path) -> None:
    asked = {"priority": 3, "ttft_deadline_s": 0.5, "latency_deadline_s": 9, "cancel_s": 20.5}
    line = json.dumps({"arrival_s": 4.0, "prompt_tokens": 5, "output_tokens": 6} | asked)
    [request] = read(tmp_path, line, TraceSelection(scale=0.5))
    assert {key: getattr(request, key) for key in asked} == asked
    assert request.arrival_s == 2.0


def test_rows_are_sorted_by_arrival_and_keep_their_number(tmp_path: Path) -> None:
    head, first, second, _ = BURSTGPT.splitlines()
    trace = read(tmp_path, "\n".join([head, second, first]))
    assert [(each.id, each.arrival_s) for each in trace] == [("2", 0.0), ("1", 5.0)]
    assert "not in order of arrival" in trace.notes[-1]


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (TraceSelection(limit=2), [("1", 0.0), ("2", 2.5)]),
        (TraceSelection(limit=3), [("1", 0.0), ("2", 2.5), ("3", 2.75)]),
        (TraceSelection(window=(2.5, None)), [("2", 0.0), ("3", 0.25)]),
        (TraceSelection(window=(0.0, 2.75)), [("1", 0.0), ("2", 2.5)]),
        (TraceSelection(window=(2.5, None), limit=1), [("2", 0.0)]),
        (TraceSelection(scale=2.0), [("1", 0.0), ("2", 5.0), ("3", 5.5)]),
        (TraceSelection(window=(2.5, None), scale=0.1), [("2", 0.0), ("3", 0.025)]),
    ],
)
@pytest.mark.parametrize("native", [False, True])
def test_a_selection_by_number_time_and_scale(
    tmp_path: Path, selection: TraceSelection, wanted: list[tuple[str, float]], native: bool
) -> None:
    """The window counts from the first row: a row before it in time, but after it in the file, moves the window."""
    rows = [each.split(",") for each in AZURE.splitlines()[1:]]
    lines = [{"arrival_s": float(when[17:]), "prompt_tokens": int(p), "output_tokens": int(o)} for when, p, o in rows]
    trace = read(tmp_path, "\n".join(map(json.dumps, lines)) if native else AZURE, selection)
    assert [(each.id, each.arrival_s) for each in trace] == wanted
    notes = [note.partition(";")[0].removeprefix("requests: ") for note in trace.notes]
    assert ("only the first 2 of the file" in notes) == (selection == TraceSelection(limit=2))
    assert ("only the first 1 of the window" in notes) == (selection.limit == 1)
    assert any(note.startswith("only those from") for note in notes) == (selection.window is not None)
    if selection.window is not None and not native:
        head, *rest = AZURE.splitlines()
        moved = read(tmp_path, "\n".join([head, *reversed(rest)]), selection)
        same = [each.prompt_tokens for each in trace]
        assert selection.limit is not None or [each.prompt_tokens for each in moved] == same


def test_arrivals_of_a_file_without_times_can_be_drawn(tmp_path: Path) -> None:
    lengths = "num_prefill_tokens,num_decode_tokens\n" + "3,4\n" * 2000
    trace = read(tmp_path, lengths, TraceSelection(rate=4.0, seed=1))
    assert trace[-1].arrival_s == pytest.approx(500, abs=45)  # 2000 / 4, 4 standard deviations of 2000^0.5 / 4
    with pytest.raises(WorkloadInputError, match="has arrival times, so a rate"):
        read(tmp_path, AZURE, TraceSelection(rate=4.0))
    with pytest.raises(WorkloadInputError, match="has no arrival times, so a window"):
        read(tmp_path, lengths, TraceSelection(window=(0, 5)))


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("TIMESTAMP,ContextTokens\n1,2\n", "line 1: the columns are TIMESTAMP, ContextTokens; it looks like an Azure "),
        ("TIMESTAMP,ContextTokens\n1,2\n", "LLM inference trace, but GeneratedTokens is missing"),
        (BURSTGPT.replace("Response tok", "Responses tok"), "missing (did you mean Responses tokens?)"),
        ("a,b\n1,2\n", "line 1: the columns are a, b, which no known request trace has (known: pimsim request file, "),
        (AZURE.replace(",96", ""), "line 3: has 2 values, but line 1 names 3 columns"),
        (AZURE.replace("512", "-5"), "line 3: ContextTokens must be an integer from 0 to 1048576, not '-5'"),
        (AZURE.replace("09:00:02.5", "nine"), "line 3: TIMESTAMP must be a number or a date such as"),
        (AZURE.replace("03-04 09:00:02", "02-30 09:00:02"), "line 3: TIMESTAMP must be a date that exists"),
        (MOONCAKE.replace(', "output_length": 40', ""), "line 2: output_length is missing in a Mooncake trace; it"),
        (MOONCAKE.replace("[0, 1, 7]", "[0, 1.5]"), "line 2: hash_ids must be an integer"),
        (MOONCAKE.replace("1100", "1048570"), "line 2: 1,048,610 tokens of prompt and output together are more than"),
        (LLMSERVINGSIM + SESSION, "line 3: has the column sub_requests"),
        (SESSION, "line 1: has the column sub_requests"),
        (as_list(MOONCAKE).replace("1100", "true"), "line 12: input_length must be an integer"),
        (AZURE.splitlines()[0], "it contains no request"),
        ("", "it contains no request"),
        ("\n \n", "it contains no request"),
        ("[]", "it contains no request"),
        (BURSTGPT.replace("Response", "Respo\u200bnse"), "missing (did you mean Respo\\u200bnse tokens?)"),
        ("{}", "line 1: the columns are none"),
        ('{"\\ud800": 1}', "line 1: the columns are \\ud800, which no"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_one_sentence(tmp_path: Path, content: str, wanted: str) -> None:
    with pytest.raises(WorkloadInputError) as caught:
        read(tmp_path, content)
    assert wanted in str(caught.value)
    assert str(caught.value).isprintable()


PIECES = [
    b'"', b",", b"\n", b"\r", b"{", b"}", b"[", b"]", b"\xff", b"\0", b"NaN", b"-", b"1e400", b"9" * 40,
    b"null", b"true", b'"\\ud800"', b"\xef\xbb\xbf", b":", b"0", b"1e18", "\u0663".encode(), b'"id": "a b",', b"e99",
]  # fmt: skip


@given(st.sampled_from([AZURE, BURSTGPT, MOONCAKE, LLMSERVINGSIM, VLLM, SHAREGPT, EPOCH, AZURE_2024]), st.data())
def test_a_damaged_trace_is_requests_or_one_readable_error(
    tmp_path_factory: pytest.TempPathFactory, content: str, data: st.DataObject
) -> None:
    damaged = bytearray(content.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(damaged)))
        damaged[place : place + data.draw(st.integers(0, 5))] = data.draw(st.sampled_from(PIECES))
    selection = data.draw(st.sampled_from([EVERYTHING, TraceSelection(window=(0, 3), limit=2)]))
    tokenizer = TOKENIZER if content in (VLLM, SHAREGPT) else None
    try:
        trace = read(tmp_path_factory.getbasetemp(), bytes(damaged), selection, tokenizer=tokenizer)
    except WorkloadInputError as error:
        assert all(line.isprintable() for line in str(error).splitlines())  # noqa: PT017
    else:
        check_requests(trace)
        assert all(note.isprintable() for note in trace.notes)


def test_a_request_file_of_pimsim_still_has_its_own_messages(tmp_path: Path) -> None:
    with pytest.raises(WorkloadInputError) as caught:
        read(tmp_path, '{"arrival_s": 1, "prompt_tokens": 4}\nx\n')
    assert "line 1: output_tokens is missing" in str(caught.value)
    assert "line 2: it is not JSON" in str(caught.value)


def test_a_table_of_pimsims_columns_keeps_what_requests_ask_for(tmp_path: Path) -> None:
    (tmp_path / "served.csv").write_text(SERVED)
    trace = read_request_trace(tmp_path / "served.csv")
    lines = [
        {"arrival_s": 0, "prompt_tokens": 20, "output_tokens": 3, "prefix_hashes": [1, 2], "priority": 2}
        | {"ttft_deadline_s": 0.5},
        {"arrival_s": 1.5, "prompt_tokens": 12, "output_tokens": 5, "cancel_s": 4},
    ]
    (tmp_path / "served.json").write_text(json.dumps(lines))
    (tmp_path / "served.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert trace == read_request_trace(tmp_path / "served.json") == read_request_trace(tmp_path / "served.jsonl")
    assert (trace[0].priority, trace[0].ttft_deadline_s, trace[1].cancel_s) == (2, 0.5, 4)
    for wrong in ("-3", "x", "nan"):
        (tmp_path / "served.csv").write_text(SERVED.replace(",4\n", f",{wrong}\n"))
        with pytest.raises(WorkloadInputError, match="line 3: cancel_s must be a number from 1e-12"):
            read_request_trace(tmp_path / "served.csv")
