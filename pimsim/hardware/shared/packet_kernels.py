"""Compiled packet loop: `pimsim.hardware.shared.fabric` in arrays, for runs with very many packets.

Every function does what the method of the same purpose does there, in the same order, so all results are equal; the
comments there say why. Names of columns, and arguments that all functions share, are those of
`pimsim.hardware.shared.packet_columns`.
"""

from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.extending import intrinsic

from pimsim.hardware.shared import packet_columns as of
from pimsim.hardware.shared.packet import FULL, PORT
from pimsim.hardware.shared.packet import LINK as BUSY_LINK

inlined = njit(cache=True, forceinline=True)


@intrinsic
def rows_at(typing_context: Any, address: Any) -> Any:
    """Return an array of int64 in memory that Python owns.

    Numba counts references of the arrays that it is given at each call of a function, which took longer than the work.

    Args:
        typing_context: Given by Numba.
        address: Address of the first number.

    Returns:
        The type of the function, and the function that makes its code.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.int64)(types.int64), generate


@njit(cache=True)
def push(heap: Any, size: int, time_ps: int, order: int, what: int, whose: int) -> None:
    """Add an element to a heap.

    Args:
        heap: Elements of 4 numbers, with room for one more.
        size: Number of elements.
        time_ps: Time of the element, picoseconds.
        order: Its order among those of one time.
        what: What happens.
        whose: Job, or any number.
    """
    at = 4 * size
    while at > 0:
        above = ((at - 4) >> 3) << 2
        if heap[above] < time_ps or (heap[above] == time_ps and heap[above + 1] < order):
            break
        for column in range(4):
            heap[at + column] = heap[above + column]
        at = above
    heap[at] = time_ps
    heap[at + 1] = order
    heap[at + 2] = what
    heap[at + 3] = whose


@njit(cache=True)
def pop(heap: Any, size: int) -> None:
    """Remove the first element of a heap.

    Args:
        heap: Elements of 4 numbers.
        size: Number of elements before, at least 1.
    """
    last = 4 * (size - 1)
    time_ps, order = heap[last], heap[last + 1]
    at, below = 0, 4
    while below < last:
        right = below + 4
        if right < last and (
            heap[right] < heap[below] or (heap[right] == heap[below] and heap[right + 1] < heap[below + 1])
        ):
            below = right
        if time_ps < heap[below] or (time_ps == heap[below] and order < heap[below + 1]):
            break
        for column in range(4):
            heap[at + column] = heap[below + column]
        at, below = below, 2 * below + 4
    for column in range(4):
        heap[at + column] = heap[last + column]


@inlined
def schedule(numbers: Any, events: Any, time_ps: int, event: int) -> None:
    """Schedule an event of a link.

    Args:
        numbers: Numbers of the run.
        events: Heap of events.
        time_ps: Time of the event, picoseconds.
        event: Number as in `pimsim.hardware.shared.fabric.Fabric`, or NOTHING.
    """
    numbers[of.EVENT_ORDER] += 1
    push(events, numbers[of.EVENTS], time_ps, numbers[of.EVENT_ORDER], event, 0)
    numbers[of.EVENTS] += 1


@inlined
def mark(numbers: Any, links: Any, marked: Any, link: int) -> None:
    """Let a link choose at the end of this time.

    Args:
        numbers: Numbers of the run.
        links: Links.
        marked: Links that are to choose.
        link: Number of the link.
    """
    if links[link + of.MARKED] == 0:
        links[link + of.MARKED] = 1
        marked[numbers[of.MARKS]] = link
        numbers[of.MARKS] += 1


@inlined
def new_packet(numbers: Any, packets: Any) -> int:
    """Take a free row for a packet.

    Args:
        numbers: Numbers of the run.
        packets: Packets, one of them free.

    Returns:
        Index of the row.
    """
    packet = numbers[of.FREE_PACKET]
    if packet >= 0:
        numbers[of.FREE_PACKET] = packets[packet + of.NEXT_PACKET]
    else:
        packet = numbers[of.USED_PACKETS]
        numbers[of.USED_PACKETS] += of.PACKET_COLUMNS
    numbers[of.PACKETS] += 1
    return packet


@inlined
def free_packet(numbers: Any, packets: Any, packet: int) -> None:
    """Give back the row of a packet.

    Args:
        numbers: Numbers of the run.
        packets: Packets.
        packet: Index of the row.
    """
    packets[packet + of.NEXT_PACKET] = numbers[of.FREE_PACKET]
    numbers[of.FREE_PACKET] = packet
    numbers[of.PACKETS] -= 1


@inlined
def copied(numbers: Any, packets: Any, packet: int) -> int:
    """Copy a packet whose other copies have yet to leave.

    Args:
        numbers: Numbers of the run.
        packets: Packets, one of them free.
        packet: Index of the packet.

    Returns:
        Index of the copy.
    """
    copy = new_packet(numbers, packets)
    for column in range(of.PACKET_COLUMNS):
        packets[copy + column] = packets[packet + column]
    packets[copy + of.IN_ROUTERS] = 0
    return copy


@inlined
def new_entry(numbers: Any, entries: Any, packet: int, branch: int) -> int:
    """Take a free row for a packet with one of its branches.

    Args:
        numbers: Numbers of the run.
        entries: Entries, one of them free.
        packet: The packet.
        branch: The branch.

    Returns:
        Index of the row.
    """
    entry = numbers[of.FREE_ENTRY]
    if entry >= 0:
        numbers[of.FREE_ENTRY] = entries[entry + of.NEXT_ENTRY]
    else:
        entry = numbers[of.USED_ENTRIES]
        numbers[of.USED_ENTRIES] += of.ENTRY_COLUMNS
    numbers[of.ENTRIES] += 1
    entries[entry + of.ENTRY_PACKET] = packet
    entries[entry + of.ENTRY_BRANCH] = branch
    entries[entry + of.NEXT_ENTRY] = of.NONE
    entries[entry + of.NEXT_REQUEST] = of.NONE
    return entry


@inlined
def free_entry(numbers: Any, entries: Any, entry: int) -> None:
    """Give back the row of an entry.

    Args:
        numbers: Numbers of the run.
        entries: Entries.
        entry: Index of the row.
    """
    entries[entry + of.NEXT_ENTRY] = numbers[of.FREE_ENTRY]
    numbers[of.FREE_ENTRY] = entry
    numbers[of.ENTRIES] -= 1


@inlined
def request(links: Any, entries: Any, link: int, entry: int) -> None:
    """Append an entry to the requests of a link.

    Args:
        links: Links.
        entries: Entries.
        link: Number of the link.
        entry: Index of the entry.
    """
    entries[entry + of.NEXT_REQUEST] = of.NONE
    last = links[link + of.REQUEST_LAST]
    if last >= 0:
        entries[last + of.NEXT_REQUEST] = entry
    else:
        links[link + of.REQUEST_FIRST] = entry
    links[link + of.REQUEST_LAST] = entry


@njit(cache=True)
def inject(now: int, template: int, job: int, state: Any) -> None:
    """Append a packet to the injection queues of its first links.

    Args:
        now: Present time, picoseconds.
        template: Index of the packet among those of phases.
        job: Its job.
        state: `State`.
    """
    numbers, links, packets, entries = state.numbers, state.links, state.packets, state.entries
    packet = new_packet(numbers, packets)
    for column in range(of.SOURCE):
        packets[packet + column] = state.templates[template + column]
    numbers[of.LAST_AGE] += 1
    packets[packet + of.HOLDER] = of.NONE
    packets[packet + of.JOB] = job
    packets[packet + of.AGE] = numbers[of.LAST_AGE]
    packets[packet + of.READY_PS] = now
    packets[packet + of.WAITED_PS] = 0
    packets[packet + of.CAUSE] = BUSY_LINK - of.CAUSE_KINDS
    packets[packet + of.PENDING] = packets[packet + of.BRANCHES]
    packets[packet + of.IN_ROUTERS] = 0
    first = packets[packet + of.FIRST_BRANCH]
    for branch in range(first, first + of.BRANCH_COLUMNS * packets[packet + of.BRANCHES], of.BRANCH_COLUMNS):
        link = state.branches[branch + of.LINK]
        entry = new_entry(numbers, entries, packet, branch)
        last = links[link + of.WAITING_LAST]
        links[link + of.WAITING_LAST] = entry
        if last >= 0:
            entries[last + of.NEXT_ENTRY] = entry
        else:
            links[link + of.WAITING_FIRST] = entry
            request(links, entries, link, entry)
            mark(numbers, links, state.marked, link)


@inlined
def count_delivery(now: int, packet: int, numbers: Any, packets: Any, jobs: Any, groups: Any) -> None:
    """Count a delivery of a packet; the last one of its phase completes the phase's messages.

    Args:
        now: Present time, picoseconds.
        packet: Index of the packet.
        numbers: Numbers of the run.
        packets: Packets.
        jobs: Jobs.
        groups: Jobs whose groups completed at this time.
    """
    job = packets[packet + of.JOB]
    jobs[job + of.LEFT] -= 1
    if jobs[job + of.LEFT] == 0:
        jobs[job + of.END_PS] = now
        jobs[job + of.JOB_WAITED_PS] = packets[packet + of.WAITED_PS]
        jobs[job + of.JOB_CAUSE] = packets[packet + of.CAUSE]
        groups[numbers[of.GROUPS]] = job
        numbers[of.GROUPS] += 1


@inlined
def port_end_ps(now: int, tail_ps: int, packet: int, numbers: Any, links: Any, packets: Any, inward: Any) -> int:
    """Reserve the port into the tile where a packet ends (`pimsim.hardware.shared.tile_ports`).

    Args:
        now: Present time, picoseconds.
        tail_ps: When the tail of the packet is in the FIFO, picoseconds.
        packet: Index of the packet.
        numbers: Numbers of the run.
        links: Links.
        packets: Packets.
        inward: By tile, when the port into it is free; -1 if it was never in use.

    Returns:
        When the whole packet has reached the tile, picoseconds.
    """
    link, transfer_ps = packets[packet + of.HOLDER], packets[packet + of.PORT_PS]
    tile, begin_ps = links[link + of.TILE], now
    if now == packets[packet + of.READY_PS]:
        begin_ps -= packets[packet + of.LEAD_PS] if packets[packet + of.BRANCHES] > 0 else packets[packet + of.LINK_PS]
    free_ps = inward[tile] if inward[tile] >= 0 else begin_ps
    end_ps = max(tail_ps, max(begin_ps, free_ps) + transfer_ps)
    inward[tile] = end_ps
    links[link + of.PORT_BUSY_PS] += transfer_ps
    if free_ps > begin_ps:
        waited_ps = end_ps - max(tail_ps, begin_ps + transfer_ps)
        links[link + of.PORT_WAITED_PS] += waited_ps
        if links[link + of.PORT_WAITED_PS] > of.MOST_SUM:
            numbers[of.BEYOND] = 1
        if waited_ps > packets[packet + of.WAITED_PS]:
            packets[packet + of.WAITED_PS] = waited_ps
            packets[packet + of.CAUSE] = of.CAUSE_KINDS * link + PORT
    return end_ps


@inlined
def remove_first(link: int, links: Any, packets: Any) -> None:
    """Remove the first packet of a FIFO and return its credit.

    Args:
        link: Link whose FIFO it is.
        links: Links.
        packets: Packets.
    """
    packet = links[link + of.FIFO_FIRST]
    links[link + of.LEFT_BITS] += packets[packet + of.BITS]
    links[link + of.CREDITS] += 1
    links[link + of.FIFO_LENGTH] -= 1
    links[link + of.FIFO_FIRST] = packets[packet + of.NEXT_PACKET]
    if links[link + of.FIFO_FIRST] < 0:
        links[link + of.FIFO_LAST] = of.NONE


@inlined
def enter(now: int, link: int, packet: int, branch: int, branches: Any, links: Any, packets: Any) -> None:
    """Append a packet to the FIFO at the end of a link.

    Args:
        now: Present time, picoseconds.
        link: Number of the link.
        packet: Index of the packet.
        branch: The branch that brought it here.
        branches: Branches.
        links: Links.
        packets: Packets.
    """
    packets[packet + of.HOLDER] = link
    packets[packet + of.READY_PS] = now
    packets[packet + of.FIRST_BRANCH] = branches[branch + of.FIRST_BELOW]
    packets[packet + of.BRANCHES] = branches[branch + of.BELOW]
    packets[packet + of.PENDING] = branches[branch + of.BELOW] + branches[branch + of.DELIVERS]
    packets[packet + of.NEXT_PACKET] = of.NONE
    last = links[link + of.FIFO_LAST]
    if last >= 0:
        packets[last + of.NEXT_PACKET] = packet
    else:
        links[link + of.FIFO_FIRST] = packet
    links[link + of.FIFO_LAST] = packet
    links[link + of.FIFO_LENGTH] += 1
    links[link + of.PEAK] = max(links[link + of.PEAK], links[link + of.FIFO_LENGTH])


@njit(cache=True)
def start_first(now: int, link: int, state: Any) -> None:
    """Let the first packet of a FIFO request its next links, and deliver it to the tile if it ends here.

    Args:
        now: Present time, picoseconds.
        link: Link whose FIFO it is.
        state: `State`.
    """
    numbers, links, packets, entries, branches = state.numbers, state.links, state.packets, state.entries, state.branches
    packet = links[link + of.FIFO_FIRST]
    while packet >= 0:
        first, count = packets[packet + of.FIRST_BRANCH], packets[packet + of.BRANCHES]
        for branch in range(first, first + of.BRANCH_COLUMNS * count, of.BRANCH_COLUMNS):
            request(links, entries, branches[branch + of.LINK], new_entry(numbers, entries, packet, branch))
            mark(numbers, links, state.marked, branches[branch + of.LINK])
        if packets[packet + of.PENDING] > count:
            end_ps = now
            if count > 0:
                end_ps = max(now, packets[packet + of.READY_PS] + packets[packet + of.LINK_PS] - packets[packet + of.LEAD_PS])
            if numbers[of.PORTS] != 0:
                end_ps = port_end_ps(now, end_ps, packet, numbers, links, packets, state.inward)
            if end_ps > now:
                schedule(numbers, state.events, end_ps, -2 - 2 * link)
            else:
                packets[packet + of.PENDING] -= 1
                count_delivery(now, packet, numbers, packets, state.jobs, state.groups)
        if packets[packet + of.PENDING] > 0:
            return
        remove_first(link, links, packets)
        mark(numbers, links, state.marked, link)
        free_packet(numbers, packets, packet)
        packet = links[link + of.FIFO_FIRST]
