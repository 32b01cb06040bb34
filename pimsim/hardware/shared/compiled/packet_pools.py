"""Heaps, and rows of packets that are taken and given back, for the compiled packet loop."""

from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.extending import intrinsic

from pimsim.hardware.shared.compiled import packet_columns as of

inlined = njit(forceinline=True)
"""Compile a function and let LLVM put it into its callers. Only `packet_jobs.run_jobs` is cached, with all of them."""


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


@njit
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


@njit
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
