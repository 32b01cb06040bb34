"""Step trees: properties that do not change when a tree is expanded."""

from __future__ import annotations

from collections import Counter

from hypothesis import given

from pimsim.steps.step_tree import (
    PARTS,
    Copies,
    Identical,
    Loop,
    Parallel,
    Sequence,
    Step,
    Streamed,
    Work,
    action_counts,
    event_count,
    expanded,
    steps,
)
from tests.oracles import naive_schedule
from tests.support.trees import trees


def kinds(work: Work) -> set[type[Work]]:
    match work:
        case Sequence(children) | Parallel(children):
            return {type(work)}.union(*map(kinds, children))
        case Loop(body) | Identical(body) | Copies(body):
            return {type(work)} | kinds(body)
        case _:
            return {type(work)}


@given(work=trees())
def test_written_out_in_full_nothing_changes(work: Work) -> None:
    full = expanded(work)
    assert not kinds(full) & {Identical, Copies}
    end_ps, events = naive_schedule.replay(work)
    full_end_ps, full_events = naive_schedule.replay(full)
    assert full_end_ps == end_ps == naive_schedule.end_of(work) == naive_schedule.end_of(full)
    assert naive_schedule.action_counts(full_events) == naive_schedule.action_counts(events)
    assert naive_schedule.busy_ps(full_events) == naive_schedule.busy_ps(events)
    assert Counter((e.step.label, e.start_ps, e.end_ps) for e in full_events) == Counter(
        (e.step.label, e.start_ps, e.end_ps) for e in events
    )


@given(work=trees())
def test_events_counted_without_walking(work: Work) -> None:
    """Expanded, the count equals that of a replay; grouped, it is never larger."""
    in_full = sum(event.step.repeat for event in naive_schedule.replay(work)[1])
    assert event_count(expanded(work)) == in_full
    assert event_count(work) <= in_full


def test_a_group_counts_as_one_of_its_members() -> None:
    step = Step("c", "dac", "convert", 1, repeat=3)
    assert event_count(Loop(step, 5)) == 15
    assert event_count(Identical(step, 5)) == event_count(Copies(step, 5)) == 3
    assert event_count(expanded(Copies(Identical(step, 5), 2))) == 30
    assert event_count(Sequence(())) == 0
    assert event_count(Loop(step, 2**40)) == 3 * 2**40  # at once, without walking


def test_copies_are_pieces_of_hardware_of_their_own() -> None:
    step = Step("c", "dac", "convert", 7, (("c.convert", 2),), repeat=3)
    nested = Copies(Sequence((step, Identical(step, 2), Loop(Parallel((step, Copies(step, 2))), 2))), 2)
    found = {id(event.step): event.step for event in naive_schedule.replay(expanded(nested))[1]}
    # Per copy: the step, the one that is repeated, and a lane beside two copies.
    assert len(found) == 2 * (1 + 1 + 1 + 2)
    assert {(each.label, each.duration_ps, each.counts, each.repeat) for each in found.values()} == {
        ("convert", 7, (("c.convert", 2),), 3)
    }


def test_every_part_says_what_it_contains() -> None:
    assert all(text and part.isidentifier() for part, text in PARTS.items())


def test_a_stream_has_the_steps_and_actions_of_its_body() -> None:
    """At most one event more: the wait for the port, of 100 ps less the 42 of the body."""
    step = Step("c", "dac", "convert", 7, (("c.convert", 2),), repeat=3)
    work = Streamed(Identical(step, 2), 100, "c")
    assert list(steps(work)) == [step]
    assert action_counts(work) == action_counts(expanded(work)) == {"c.convert": 12}
    assert (event_count(work), event_count(expanded(work))) == (3 + 1, 6 + 1)
    end_ps, events = naive_schedule.replay(work)
    assert end_ps == 100
    assert (events[-1].step.part, events[-1].start_ps, events[-1].end_ps) == ("sram", 42, 100)
    copies = expanded(Copies(work, 2))
    assert len({id(each) for each in steps(copies)}) == 2
