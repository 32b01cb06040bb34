"""Strict reading of request files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads import RequestError, poisson_requests, read_requests, write_requests
from workloads.requests import MAX_ALL_OUTPUTS, Request, check_requests, dumps_requests

GOOD = '{"arrival_s": 1, "prompt_tokens": 2, "output_tokens": 3}'


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "requests.jsonl"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(RequestError) as caught:
        read_requests(written(folder, text))
    return str(caught.value)


def test_a_file_reads_back_as_it_was_written(tmp_path: Path) -> None:
    requests = poisson_requests(3.0, 200, prompt="lognormal:200:1", output="uniform:1:50", seed=4)
    write_requests(requests, tmp_path / "r.jsonl")
    assert read_requests(tmp_path / "r.jsonl") == requests
    asked = {"priority": 2, "ttft_deadline_s": 0.5, "latency_deadline_s": 9.0, "cancel_s": 3.5, "prefix_hashes": (1, 2)}
    urgent = (Request(id="u", arrival_s=0.0, prompt_tokens=1, output_tokens=1, **asked),)  # type: ignore[arg-type]
    write_requests(urgent, tmp_path / "r.jsonl")
    assert read_requests(tmp_path / "r.jsonl") == urgent
    assert dumps_requests(requests[:1]).count(":") == 4  # nothing that the request does not state


def test_wishes_out_of_range_are_refused(tmp_path: Path) -> None:
    assert "priority must be an integer from 0 to 1000000, not -1" in refusal(
        tmp_path, f'{GOOD[:-1]}, "priority": -1}}'
    )
    late = f'{GOOD[:-1]}, "cancel_s": 0}}'
    assert "cancel_s must be a number from 1e-12 to 1e+09 or null, not 0" in refusal(tmp_path, late)


def test_requests_without_a_name_are_numbered_and_blank_lines_do_not_count(tmp_path: Path) -> None:
    first, second = read_requests(written(tmp_path, f"\n{GOOD}\r\n  \n{GOOD}"))
    assert first == Request(id="1", arrival_s=1.0, prompt_tokens=2, output_tokens=3)
    assert second.id == "2"


def test_times_of_an_epoch_are_relative_to_the_first_and_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    epoch = GOOD.replace("1,", "1700000000.5,") + "\n" + GOOD.replace("1,", "1700000004.25,")
    assert [each.arrival_s for each in read_requests(written(tmp_path, epoch))] == [0.0, 3.75]
    assert read_requests(written(tmp_path, b"\xef\xbb\xbf" + GOOD.encode()))[0].arrival_s == 1.0
    earlier = GOOD.replace("1,", "1700000000.5,") + "\n" + GOOD.replace("1,", "1700000000,")
    assert "line 2: arrival_s must be a number from 0 to 1e+09, not -0.5" in refusal(tmp_path, earlier)
    milliseconds = GOOD.replace("1,", "1700000000500,")
    assert "line 1: arrival_s must be a number from 0 to 1e+09, not 1700000000500" in refusal(tmp_path, milliseconds)


def test_prefix_hashes_are_kept(tmp_path: Path) -> None:
    requests = read_requests(written(tmp_path, GOOD.replace("3}", '3, "prefix_hashes": [4, -7]}') + "\n" + GOOD))
    assert [each.prefix_hashes for each in requests] == [(4, -7), ()]
    write_requests(requests, tmp_path / "r.jsonl")
    assert read_requests(tmp_path / "r.jsonl") == requests
    assert "prefix_hashes" not in dumps_requests(requests[1:])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "it contains no request"),
        ("\n \n", "it contains no request"),
        ("[]", "line 1: must be an object, not a list of 0"),
        (f"{GOOD}\n{{", "line 2: it is not JSON: "),
        (f"{GOOD}\n\n{GOOD} {GOOD}", "line 3: it is not JSON: Extra data at column"),
        (GOOD.replace("arrival_s", "arival_s"), "line 1: arival_s is not a key of a request (did you mean arrival_s?)"),
        ('{"arrival_s": 1, "prompt_tokens": 2}', "line 1: output_tokens is missing"),
        (GOOD.replace("1,", "-1,"), "line 1: arrival_s must be a number from 0 to 1e+09, not -1"),
        (GOOD.replace("1,", "1e999,"), "line 1: arrival_s must be a number from 0 to 1e+09, not inf"),
        (GOOD.replace("1,", "NaN,"), "line 1: it is not usable JSON: NaN is not a JSON number"),
        (GOOD.replace("1,", "true,"), "line 1: arrival_s must be a number from 0 to 1e+09, not True"),
        (GOOD.replace("1,", '"1",'), "line 1: arrival_s must be a number from 0 to 1e+09, not '1'"),
        (GOOD.replace("2,", "0,"), "line 1: prompt_tokens must be an integer from 1 to 1048576, not 0"),
        (GOOD.replace("2,", "2.0,"), "line 1: prompt_tokens must be an integer from 1 to 1048576, not 2.0"),
        (GOOD.replace("3}", "1048577}"), "line 1: output_tokens must be an integer from 1 to 1048576, not 1048577"),
        (GOOD.replace("3}", "1048576}"), "line 1: prompt_tokens + output_tokens must be at most 1048576, not 1048578"),
        (GOOD.replace("3}", "9" * 200 + "}"), "line 1: it is not usable JSON: an integer of 200 digits"),
        (GOOD.replace("3}", '3, "prefix_hashes": [1.5]}'), "line 1: prefix_hashes must be an integer from -922"),
        (GOOD.replace("3}", '3, "prefix_hashes": 4}'), "line 1: prefix_hashes must be a list of integers, not 4"),
        (GOOD.replace("3}", '3, "id": "a b"}'), "line 1: id must be a name of 1 to 100"),
        (GOOD.replace("3}", '3, "output_tokens": 3}'), "line 1: output_tokens occurs twice"),
        (GOOD + "\n" + GOOD.replace("3}", '3, "id": "1"}'), "line 2: id '1' is already used in line 1"),
        (f"{GOOD}\n{GOOD.replace('1,', '0.5,')}", "line 2: arrival_s must not decrease, but is 0.5 after 1 in line 1"),
        (b"\xff\xfe", "line 1: it is not UTF-8 text (byte 0)"),
        ("[" * 100_000, "line 1: it is not usable JSON: nested too deeply"),
        ("\n".join([GOOD.replace("3}", "1048000}")] * 10), f"at most {MAX_ALL_OUTPUTS} output tokens"),
    ],
)  # fmt: skip
def test_problems_of_a_file_are_reported_with_their_lines(tmp_path: Path, text: str | bytes, wanted: str) -> None:
    assert wanted in refusal(tmp_path, text)


def test_only_the_first_few_of_many_problems_are_listed(tmp_path: Path) -> None:
    text = refusal(tmp_path, "{}\n" * 1000)
    assert len(text.splitlines()) <= 12
    assert "... and more" in text


def test_folders_devices_and_missing_files_are_rejected(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", Path("/dev/null"), Path("\0")):
        with pytest.raises(RequestError, match="cannot read requests"):
            read_requests(path)


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers()))
KEYS = st.sampled_from(["arrival_s", "prompt_tokens", "output_tokens", "id", "x"])
TOKENS = st.integers(1, 2000)
FINE = st.fixed_dictionaries(
    {"arrival_s": st.floats(0, 1e3) | st.integers(0, 9), "prompt_tokens": TOKENS, "output_tokens": TOKENS},
    optional={"id": st.sampled_from("abcdefgh")},
)
LINES = st.one_of(
    st.text(max_size=30), st.dictionaries(KEYS, VALUES).map(json.dumps), st.just(GOOD), FINE.map(json.dumps)
)
FINE_FILES = st.lists(FINE, min_size=1, max_size=6).map(
    lambda lines: "\n".join(map(json.dumps, sorted(lines, key=lambda each: each["arrival_s"]))).encode()
)


@given(
    st.one_of(
        st.binary(max_size=200), st.lists(LINES, max_size=5).map(lambda lines: "\n".join(lines).encode()), FINE_FILES
    )
)
def test_any_bytes_are_requests_or_one_readable_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    try:
        requests = read_requests(written(tmp_path_factory.getbasetemp(), data))
    except RequestError as error:
        assert all(line.isprintable() and len(line) < 600 for line in str(error).splitlines())  # noqa: PT017
    else:
        check_requests(requests)
        lines = [json.loads(line) for line in data.split(b"\n") if line.strip()]
        held = [json.loads(line) for line in dumps_requests(requests).splitlines()]
        if lines[0]["arrival_s"] > 1e9:  # an epoch
            return
        assert held == [{"id": str(number)} | line for number, line in enumerate(lines, 1)]
        assert read_requests(written(tmp_path_factory.getbasetemp(), dumps_requests(requests))) == requests


def test_requests_from_python_are_checked_too() -> None:
    one = Request(id="a", arrival_s=1.0, prompt_tokens=1, output_tokens=1)
    for wrong in ([], [one, one], [one, Request(id="b", arrival_s=0.0, prompt_tokens=1, output_tokens=1)]):
        with pytest.raises(RequestError):
            check_requests(wrong)
