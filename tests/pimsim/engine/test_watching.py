"""Progress of a run: numbers that grow to the number of activities, the same result, and no thread that stays."""

from __future__ import annotations

import threading

import pytest

from pimsim import load_config, simulate
from pimsim.engine import watching
from pimsim.engine.flow import Flow
from pimsim.engine.flow_nodes import Node
from pimsim.engine.watching import watched


def test_finished_activities_are_counted_up_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SECONDS_BETWEEN_REPORTS", 1e-3)
    config = load_config("pim-llm", ["workload.model=gpt2-small", "schedule=dataflow", "workload.context_length=512"])
    reports: list[tuple[int, int]] = []
    threads = threading.active_count()
    reported, end = threading.Event(), Flow._end

    def end_slowly(flow: Flow, node: Node) -> None:
        end(flow, node)
        if node.activity % 500 == 0:  # a run may be shorter than the time that its thread waits for its turn
            reported.clear()
            assert reported.wait(60)

    def progress(done: int, of: int) -> None:
        reports.append((done, of))
        reported.set()

    with monkeypatch.context() as patch:
        patch.setattr(Flow, "_end", end_slowly)
        result = simulate(config, progress=progress)
    assert threading.active_count() == threads
    assert {of for _, of in reports} == {len(result.activities)}
    counts = [done for done, _ in reports]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] <= len(result.activities)
    assert result == simulate(config)


def test_an_interrupt_ends_the_thread_and_is_passed_on() -> None:
    threads = threading.active_count()
    running = []

    def interrupted() -> None:
        with watched(lambda: 0, 1, lambda done, of: None):
            running.append(threading.active_count())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert running == [threads + 1]
    assert threading.active_count() == threads
