"""Compiled loop over the events of links and jobs, in the order of `pimsim.hardware.shared.fabric` and `busy_period`.

Arguments that all functions share are those of `pimsim.hardware.shared.compiled.packet_columns`.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from pimsim.hardware.shared.compiled import packet_columns as of
from pimsim.hardware.shared.compiled.packet_fifos import count_delivery, enter, remove_first, start_first
from pimsim.hardware.shared.compiled.packet_pools import (
    copied,
    free_entry,
    free_packet,
    inlined,
    mark,
    pop,
    request,
    schedule,
)
from pimsim.hardware.shared.fabric import INPUTS
from pimsim.hardware.shared.packet import FULL
from pimsim.hardware.shared.packet import LINK as BUSY_LINK

EVENTS_AT_ONCE = 1 << 20
"""Events after which the loop returns, so that an interrupt is noticed within a fraction of a second."""


@inlined
def leave(now: int, link: int, state: Any) -> None:
    """Handle the event that a packet has left a link.

    Args:
        now: Present time, picoseconds.
        link: Number of the link.
        state: `State`.
    """
    numbers, links, packets, branches = state.numbers, state.links, state.packets, state.branches
    packet, branch = links[link + of.CARRIED], links[link + of.CARRIED_BRANCH]
    links[link + of.BUSY] = 0
    mark(numbers, links, state.marked, link)
    packets[packet + of.PENDING] -= 1
    if packets[packet + of.PENDING] == 0:
        holder = packets[packet + of.HOLDER]
        if holder >= 0:
            remove_first(holder, links, packets)
            if links[holder + of.REQUEST_FIRST] >= 0:
                mark(numbers, links, state.marked, holder)
            if links[holder + of.FIFO_FIRST] >= 0:
                start_first(now, holder, state)
        if numbers[of.HEAD_EVENTS] != 0 and packets[packet + of.IN_ROUTERS] == 0:
            free_packet(numbers, packets, packet)
    if numbers[of.HEAD_EVENTS] != 0:
        return
    links[link + of.ARRIVED_BITS] += packets[packet + of.BITS]
    onward, delivers = branches[branch + of.BELOW], branches[branch + of.DELIVERS]
    delivered = delivers == 1 and numbers[of.PORTS] == 0 and links[link + of.FIFO_FIRST] < 0
    if delivered:
        count_delivery(now, packet, numbers, packets, state.jobs, state.groups)
        if onward == 0:
            links[link + of.LEFT_BITS] += packets[packet + of.BITS]
            links[link + of.CREDITS] += 1
            if packets[packet + of.PENDING] == 0:
                free_packet(numbers, packets, packet)
            return
    if packets[packet + of.PENDING] > 0:
        packet = copied(numbers, packets, packet)
    enter(now, link, packet, branch, state.branches, links, packets)
    if delivered:
        packets[packet + of.PENDING] -= 1
    if links[link + of.FIFO_LENGTH] == 1:
        start_first(now, link, state)


@inlined
def arrive(now: int, link: int, state: Any) -> None:
    """Handle the event that a packet is ready behind a router.

    Args:
        now: Present time, picoseconds.
        link: Number of the link that brought it.
        state: `State`.
    """
    numbers, links, packets, entries = state.numbers, state.links, state.packets, state.entries
    entry = links[link + of.ARRIVING_FIRST]
    links[link + of.ARRIVING_FIRST] = entries[entry + of.NEXT_ENTRY]
    if links[link + of.ARRIVING_FIRST] < 0:
        links[link + of.ARRIVING_LAST] = of.NONE
    packet, branch = entries[entry + of.ENTRY_PACKET], entries[entry + of.ENTRY_BRANCH]
    free_entry(numbers, entries, entry)
    links[link + of.ARRIVED_BITS] += packets[packet + of.BITS]
    packets[packet + of.IN_ROUTERS] -= 1
    if packets[packet + of.PENDING] > 0 or packets[packet + of.IN_ROUTERS] > 0:
        packet = copied(numbers, packets, packet)
    enter(now, link, packet, branch, state.branches, links, packets)
    if links[link + of.FIFO_LENGTH] == 1:
        start_first(now, link, state)


@inlined
def pass_port(now: int, link: int, state: Any) -> None:
    """Handle the event that the first packet of a FIFO has left through a tile port.

    Args:
        now: Present time, picoseconds.
        link: Link whose FIFO it is.
        state: `State`.
    """
    numbers, links, packets = state.numbers, state.links, state.packets
    packet = links[link + of.FIFO_FIRST]
    packets[packet + of.PENDING] -= 1
    count_delivery(now, packet, numbers, packets, state.jobs, state.groups)
    if packets[packet + of.PENDING] == 0:
        remove_first(link, links, packets)
        mark(numbers, links, state.marked, link)
        if packets[packet + of.IN_ROUTERS] == 0:
            free_packet(numbers, packets, packet)
        start_first(now, link, state)


@inlined
def chosen(link: int, numbers: Any, links: Any, packets: Any, entries: Any) -> int:
    """Choose the next packet of a link.

    Args:
        link: Number of the link, which is idle and requested.
        numbers: Numbers of the run.
        links: Links.
        packets: Packets.
        entries: Entries.

    Returns:
        The entry before the chosen one among the requests, NONE if it is the first of them; -2 if there is no credit.
    """
    space = links[link + of.CREDITS]
    if space < 1:
        return -2
    first = links[link + of.REQUEST_FIRST]
    no_injection = space < 2 and numbers[of.BUBBLE] != 0
    if entries[first + of.NEXT_REQUEST] < 0 and not no_injection:
        return of.NONE
    by_age, served = numbers[of.OLDEST_FIRST] != 0, links[link + of.LAST_SERVED] + 1
    best, nearest, before, entry = -2, of.NEVER, of.NONE, first
    while entry >= 0:
        packet = entries[entry + of.ENTRY_PACKET]
        holder = packets[packet + of.HOLDER]
        if holder >= 0 or not no_injection:
            turn = packets[packet + of.AGE]
            if not by_age:
                turn = (links[holder + of.INPUT] if holder >= 0 else 0) - served
                if turn < 0:
                    turn += INPUTS
            if turn < nearest:
                best, nearest = before, turn
        before, entry = entry, entries[entry + of.NEXT_REQUEST]
    return best


@inlined
def note_wait(now: int, link: int, packet: int, numbers: Any, links: Any, packets: Any) -> None:
    """Attribute the waiting time of a packet that leaves: back-pressure since the FIFO was full, the link before.

    Args:
        now: Present time, picoseconds.
        link: Link that it enters.
        packet: Index of the packet.
        numbers: Numbers of the run.
        links: Links.
        packets: Packets.
    """
    since, ready = links[link + of.FULL_SINCE], packets[packet + of.READY_PS]
    full = now - max(since, ready) if since >= 0 else 0
    busy = now - ready - full
    links[link + of.FULL_SINCE] = of.NONE
    links[link + of.FULL_PS] += full
    links[link + of.WAITED_SUM_PS] += busy
    if max(links[link + of.FULL_PS], links[link + of.WAITED_SUM_PS]) > of.MOST_SUM:
        numbers[of.BEYOND] = 1
    if max(full, busy) > packets[packet + of.WAITED_PS]:
        packets[packet + of.WAITED_PS] = max(full, busy)
        packets[packet + of.CAUSE] = of.CAUSE_KINDS * link + (FULL if full > busy else BUSY_LINK)


@inlined
def choose(now: int, link: int, state: Any) -> None:
    """Let a link that may be able to serve a packet choose one and carry it.

    Args:
        now: Present time, picoseconds.
        link: Number of the link.
        state: `State`.
    """
    numbers, links, packets, entries = state.numbers, state.links, state.packets, state.entries
    if links[link + of.BUSY] != 0 or links[link + of.REQUEST_FIRST] < 0:
        return
    before = chosen(link, numbers, links, packets, entries)
    if before < of.NONE:
        if links[link + of.FULL_SINCE] < 0:
            links[link + of.FULL_SINCE] = now
        return
    entry = entries[before + of.NEXT_REQUEST] if before >= 0 else links[link + of.REQUEST_FIRST]
    after = entries[entry + of.NEXT_REQUEST]
    if before >= 0:
        entries[before + of.NEXT_REQUEST] = after
    else:
        links[link + of.REQUEST_FIRST] = after
    if after < 0:
        links[link + of.REQUEST_LAST] = before
    packet, branch = entries[entry + of.ENTRY_PACKET], entries[entry + of.ENTRY_BRANCH]
    links[link + of.CARRIED] = packet
    links[link + of.CARRIED_BRANCH] = branch
    holder = packets[packet + of.HOLDER]
    links[link + of.LAST_SERVED] = links[holder + of.INPUT] if holder >= 0 else 0
    links[link + of.BUSY] = 1
    links[link + of.CREDITS] -= 1
    links[link + of.SENT_BITS] += packets[packet + of.BITS]
    link_ps = packets[packet + of.LINK_PS]
    links[link + of.BUSY_PS] += link_ps
    note_wait(now, link, packet, numbers, links, packets)
    if holder < 0:
        following = entries[entry + of.NEXT_ENTRY]
        links[link + of.WAITING_FIRST] = following
        if following >= 0:
            request(links, entries, link, following)
        else:
            links[link + of.WAITING_LAST] = of.NONE
    schedule(numbers, state.events, now + link_ps, link)
    numbers[of.HOPS] += 1
    if numbers[of.HEAD_EVENTS] == 0:
        free_entry(numbers, entries, entry)
        return
    entries[entry + of.NEXT_ENTRY] = of.NONE
    last = links[link + of.ARRIVING_LAST]
    if last >= 0:
        entries[last + of.NEXT_ENTRY] = entry
    else:
        links[link + of.ARRIVING_FIRST] = entry
    links[link + of.ARRIVING_LAST] = entry
    packets[packet + of.IN_ROUTERS] += 1
    ends = state.branches[branch + of.DELIVERS] == 1 and state.branches[branch + of.BELOW] == 0
    lead_ps = link_ps if ends else packets[packet + of.LEAD_PS]
    schedule(numbers, state.events, now + lead_ps + numbers[of.ROUTER_PS], -1 - 2 * link)


@inlined
def has_room(injected: int, numbers: Any) -> bool:
    """Return whether the arrays have room for all that one time of events may add, and for packets that start.

    In one time each event copies at most one packet, each link sends one, and each FIFO has one new first packet that
    requests several links.

    Args:
        injected: Packets that start.
        numbers: Numbers of the run.

    Returns:
        Whether nothing needs to grow.
    """
    return (
        numbers[of.EVENTS] + injected < numbers[of.EVENTS_ROOM]
        and numbers[of.PACKETS] + numbers[of.EVENTS] + injected < numbers[of.PACKETS_ROOM]
        and numbers[of.ENTRIES] + injected * numbers[of.MOST_BRANCHES] < numbers[of.ENTRIES_ROOM]
        and numbers[of.WAITS] < numbers[of.WAITS_ROOM]
        and numbers[of.INJECTIONS] + injected < numbers[of.INJECTIONS_ROOM]
    )


@njit
def run_links(limit_ps: int, state: Any) -> int:
    """Handle the events of links up to a time, but stop after the first time at which groups complete.

    Args:
        limit_ps: Last time to handle, picoseconds.
        state: `State`.

    Returns:
        DONE, NO_ROOM, PAUSED or TOO_LARGE.
    """
    numbers, links, events = state.numbers, state.links, state.events
    numbers[of.GROUPS] = 0
    until = numbers[of.EVENT_ORDER] + EVENTS_AT_ONCE
    while numbers[of.EVENTS] > 0 and events[0] <= limit_ps:
        if not has_room(0, numbers):
            return of.NO_ROOM
        if numbers[of.EVENT_ORDER] > until:
            return of.PAUSED
        now = events[0]
        while numbers[of.EVENTS] > 0 and events[0] == now:
            event = events[2]
            pop(events, numbers[of.EVENTS])
            numbers[of.EVENTS] -= 1
            if event == of.NOTHING:
                continue
            if event >= 0:
                leave(now, event, state)
            elif (-1 - event) & 1:
                pass_port(now, (-1 - event) >> 1, state)
            else:
                arrive(now, (-1 - event) >> 1, state)
        for index in range(numbers[of.MARKS]):
            links[state.marked[index] + of.MARKED] = 0
            choose(now, state.marked[index], state)
        numbers[of.MARKS] = 0
        if numbers[of.GROUPS] > 0:
            break
    return of.DONE if numbers[of.BEYOND] == 0 else of.TOO_LARGE
