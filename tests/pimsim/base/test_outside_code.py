"""Calls of outside code: an exception is one sentence with its own line, and prints do not join the result."""

from __future__ import annotations

import threading

import pytest

from pimsim.base.errors import PluginError
from pimsim.base.outside_code import calling
from workloads.models import find_model


def test_the_line_is_that_of_outside_code_though_pimsim_raises() -> None:
    said = r"^topology 'a': route raises \w*Error: .* \(line 17 of test_outside_code"
    with pytest.raises(PluginError, match=said), calling("topology 'a'", "route"):
        find_model(None)  # type: ignore[arg-type]


def test_the_end_of_the_process_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PluginError, match=r"^policy 'a': admit raises SystemExit: 0 "), calling("policy 'a'", "admit"):
        raise SystemExit(0)
    monkeypatch.setenv("PIMSIM_DEBUG", "1")
    with pytest.raises(SystemExit), calling("policy 'a'", "admit"):
        raise SystemExit(0)


def test_what_it_prints_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with calling("policy 'a'"):
        print("seen")
    print("result")
    assert capsys.readouterr() == ("result\n", "seen\n")


@pytest.mark.timeout(60)
def test_a_thread_of_a_worker_leaves_the_stream_of_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    """Two threads would restore the stream in the wrong order."""

    def call() -> None:
        with calling("policy 'a'"):
            print("seen")

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert capsys.readouterr() == ("seen\n", "")
