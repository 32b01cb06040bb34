"""FIFOs, injection queues and tile ports of the compiled packet loop.

Every function does what the method of the same purpose does in `pimsim.hardware.shared.fabric` or `tile_ports`, in the
same order, so all results are equal; the comments there say why. Arguments that all functions share are described in
`pimsim.hardware.shared.compiled.packet_columns`.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from pimsim.hardware.shared.compiled import packet_columns as of
from pimsim.hardware.shared.compiled.packet_pools import (
    free_packet,
    inlined,
    mark,
    new_entry,
    new_packet,
    request,
    schedule,
)
from pimsim.hardware.shared.packet import LINK as BUSY_LINK
from pimsim.hardware.shared.packet import PORT


@njit
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


@njit
def start_first(now: int, link: int, state: Any) -> None:
    """Let the first packet of a FIFO request its next links, and deliver it to the tile if it ends here.

    Args:
        now: Present time, picoseconds.
        link: Link whose FIFO it is.
        state: `State`.
    """
    numbers, links, packets, entries, branches = (
        state.numbers,
        state.links,
        state.packets,
        state.entries,
        state.branches,
    )
    packet = links[link + of.FIFO_FIRST]
    while packet >= 0:
        first, count = packets[packet + of.FIRST_BRANCH], packets[packet + of.BRANCHES]
        for branch in range(first, first + of.BRANCH_COLUMNS * count, of.BRANCH_COLUMNS):
            request(links, entries, branches[branch + of.LINK], new_entry(numbers, entries, packet, branch))
            mark(numbers, links, state.marked, branches[branch + of.LINK])
        if packets[packet + of.PENDING] > count:
            end_ps = now
            if count > 0:
                end_ps = max(
                    now, packets[packet + of.READY_PS] + packets[packet + of.LINK_PS] - packets[packet + of.LEAD_PS]
                )
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
