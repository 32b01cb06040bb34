"""Programs that could deadlock: buffers are opened in program order, and a stalled machine is an error."""

from __future__ import annotations

from typing import Any

import pytest

from pimsim.base.errors import StalledError
from pimsim.config.loading import load_config
from pimsim.engine import dataflow, flow, run
from pimsim.mapping.occupancy import STREAM
from pimsim.simulation import make_trace
from tests.pimsim.engine.schedule_checks import (
    TPU_PREFILL,
    check,
    check_order,
    check_resources,
    flow_of,
    takes,
    times,
)
from tests.support import trees
from tests.support.programs import program_of


def out_of_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let buffers be opened first come, first served."""

    def without_turn(original: Any) -> Any:
        def method(self: Any, node: Any, *rest: Any) -> Any:
            node.turn = None
            return original(self, node, *rest)

        return method

    monkeypatch.setattr(dataflow.Dataflow, "_process", without_turn(dataflow.Dataflow._process))
    monkeypatch.setattr(flow.Flow, "_ask", without_turn(flow.Flow._ask))


CROSSED = flow_of(
    trees.assignment("append", takes(50)),
    trees.assignment("k", takes(1), after=("append",), opens="s"),
    trees.assignment("scores", takes(1), after=("k",), closes=("k",)),
    trees.assignment("v", takes(1), opens="s"),
    trees.assignment("values", takes(1), after=("v", "scores"), closes=("v",)),
)


def test_buffers_are_opened_in_program_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """V could be fetched at once; if it took the only buffer, K would never get one, and the use of V waits for K."""
    outcome = check(CROSSED)
    assert times(outcome)[3] == ("v", 0, 52, 53)
    assert outcome.activities[3].waited_for == "s"
    out_of_turn(monkeypatch)
    for stepped in (False, True):
        with pytest.raises(
            StalledError, match=r"stopped at 50 ps with unfinished work: k waits for s; scores waits for k; "
        ):
            run(CROSSED, "dataflow", stepped=stepped)


def test_a_prefill_that_could_wait_for_ever_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config("tpu-llm", [*TPU_PREFILL, "mapping.stream_buffers=1"])
    trace = make_trace(config)
    program = program_of(config, trace)
    assert program.capacities[STREAM] == 1
    outcome = run(program, "dataflow")
    assert outcome.latency_ps <= program.serial_latency_ps()
    check_order(program, outcome.activities)
    check_resources(program, outcome.activities)
    out_of_turn(monkeypatch)
    with pytest.raises(StalledError, match=f"waits for {STREAM}"):
        run(program, "dataflow")


def test_a_machine_that_is_stuck_says_who_waits_for_what() -> None:
    """Two operands of one matmul, and one buffer: a program that the mapping never creates."""
    stuck = flow_of(
        trees.assignment("first", takes(3), opens="s"),
        trees.assignment("second", takes(3), opens="s"),
        trees.assignment("use", takes(1), after=("first", "second"), closes=("first",)),
        trees.assignment("other", takes(1), after=("use",), resource="x", closes=("second",)),
    )
    for stepped in (False, True):
        with pytest.raises(StalledError) as caught:
            run(stuck, "dataflow", stepped=stepped)
        assert str(caught.value) == (
            "the machine stopped at 3 ps with unfinished work: "
            "second waits for s; use waits for first, second; other waits for use"
        )
    assert run(stuck, "dataflow", unlimited=True).latency_ps == 5
    assert run(stuck, "serial").latency_ps == 8


def test_of_many_that_wait_the_first_are_named() -> None:
    chained = [trees.assignment(f"n{i}", takes(1), after=(f"n{i - 1}",) if i else ("second",)) for i in range(9)]
    stuck = flow_of(
        trees.assignment("first", takes(3), opens="s"),
        trees.assignment("second", takes(3), opens="s"),
        *chained,
        trees.assignment("use", takes(1), after=("n8",), closes=("first",)),
    )
    with pytest.raises(StalledError, match=r"second waits for s; n0 waits for second; .*n3 waits for n2, and 6 more$"):
        run(stuck, "dataflow")
