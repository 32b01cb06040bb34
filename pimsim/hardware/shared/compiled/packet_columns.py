"""Columns of the arrays in which the compiled packet loop keeps its state.

All arrays are int64. A row is named by the index of its first number, and no row by -1; a column is added to that. Free
rows form a list through their column of the next row, and rows that were never used follow behind.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

NONE = -1
NEVER = (1 << 63) - 1
"""Later than any event, picoseconds."""

# --- what a topology and its phases are, which no run changes ---

LINK, FIRST_BELOW, BELOW, DELIVERS = range(4)
"""Branch: its link, its first following branch and their number, and 1 if the packet is delivered at its end."""

FIRST_BRANCH, BRANCHES, BITS, LINK_PS, LEAD_PS, PORT_PS, SOURCE, SPARE = range(8)
"""Packet of a phase before its injection: its first branch and their number, its length, its times on a link, until it
may go on and in the port of a tile, and the number of its tile. A packet inside the network has the same columns and
those that follow."""

HOLDER, JOB, AGE, READY_PS, WAITED_PS, CAUSE, PENDING, IN_ROUTERS, NEXT_PACKET = range(7, 16)
"""Packet inside the network: as in `pimsim.hardware.shared.packet`, and its job, the number of its copies that are not
in the FIFO behind their link yet, and the next packet of its FIFO."""

PACKET_COLUMNS, TEMPLATE_COLUMNS, BRANCH_COLUMNS, PHASE_COLUMNS = 16, 8, 4, 4

PHASE_FIRST, PHASE_PACKETS, PHASE_DELIVERIES, PHASE_MINIMUM_PS = range(4)
"""Phase: its first packet and their number, the deliveries of them all, and its closed form."""

# --- what a run changes ---

(
    BUSY, CREDITS, LAST_SERVED, FULL_SINCE, MARKED, INPUT, TILE, CARRIED, CARRIED_BRANCH,
    FIFO_FIRST, FIFO_LAST, FIFO_LENGTH, WAITING_FIRST, WAITING_LAST, REQUEST_FIRST, REQUEST_LAST,
    ARRIVING_FIRST, ARRIVING_LAST,
    BUSY_PS, WAITED_SUM_PS, SENT_BITS, ARRIVED_BITS, LEFT_BITS, FULL_PS, PORT_BUSY_PS, PORT_WAITED_PS,
    SOURCE_BUSY_PS, SOURCE_WAITED_PS, PEAK,
) = range(29)  # fmt: skip
"""Link: as in `pimsim.hardware.shared.fabric`; MARKED if it is on the list of links that are to choose; INPUT of the
router and TILE at its end; CARRIED packet with its branch; first and last of the FIFO, of the entries at the tile, of
the requests and of the packets behind the router; then the counters of `LinkStatistics`."""

LINK_COLUMNS, ENTRY_COLUMNS, JOB_COLUMNS, WAIT_COLUMNS = 32, 4, 12, 4

COUNTERS = {
    "busy_ps": BUSY_PS, "waited_ps": WAITED_SUM_PS, "sent_bits": SENT_BITS, "arrived_bits": ARRIVED_BITS,
    "left_bits": LEFT_BITS, "full_ps": FULL_PS, "port_busy_ps": PORT_BUSY_PS, "port_waited_ps": PORT_WAITED_PS,
    "source_busy_ps": SOURCE_BUSY_PS, "source_waited_ps": SOURCE_WAITED_PS, "peak": PEAK,
}  # fmt: skip
"""Columns of a link by attribute of `LinkStatistics`."""

ENTRY_PACKET, ENTRY_BRANCH, NEXT_ENTRY, NEXT_REQUEST = range(4)
"""Entry: a packet with one of its branches, at its tile, as a request, or behind a router; the next of its lists."""

TIME_PS, ORDER, WHAT, WHOSE = range(4)
"""Element of a heap, sorted by time and order: what happens, and to which job."""

(
    JOB_PHASES_FIRST, JOB_PHASES, ROUNDS_LEFT, JOB_PHASE, PHASE_START_PS, LEFT, END_PS, JOB_WAITED_PS, JOB_CAUSE,
    WAITS_FIRST, WAITS_LAST, JOB_SPARE,
) = range(12)  # fmt: skip
"""Job: its first phase and their number, its progress, and of its present phase the deliveries left and what
`PacketGroup` has; its waits by cause."""

WAIT_CAUSE, WAIT_PS, NEXT_WAIT, WAIT_SPARE = range(4)
"""Wait of a job: cause, sum over phases, and the next one."""

(
    EVENTS, PHASE_ENDS, INJECTIONS, EVENT_ORDER, ORDER_OF_JOBS, LAST_AGE, MARKS, GROUPS, COMPLETED, LIMIT_PS,
    FREE_PACKET, USED_PACKETS, PACKETS, FREE_ENTRY, USED_ENTRIES, ENTRIES, WAITS, MOST_BRANCHES,
    ROUTER_PS, HEAD_EVENTS, BUBBLE, OLDEST_FIRST, PORTS, MORE_PACKETS, HOPS, NOW_PS, BEYOND,
    EVENTS_ROOM, PACKETS_ROOM, ENTRIES_ROOM, WAITS_ROOM, INJECTIONS_ROOM,
) = range(32)  # fmt: skip
"""Numbers of a run: lengths of the heaps; orders so far; lengths of the lists; the time up to which jobs are served, or
-1; of packets and entries the first free row, the end of the rows that were ever used, and the rows in use; waits; the
most branches of a fork; the router's parameters; packets that the next phase needs; links that packets have crossed;
time of the completed jobs; 1 if a sum is beyond MOST_SUM; lengths up to which nothing needs to grow."""

NUMBERS = 40

MOST_SUM = 1 << 62
NOTHING = 1 << 40
"""Event that only lets links choose."""

CAUSE_KINDS = 3
"""A cause of waiting is one number: this times the link, and LINK, FULL or PORT of `pimsim.hardware.shared.packet`."""

DONE, NO_ROOM, PAUSED, TOO_LARGE = range(4)
"""Why the loop returned: its work is done, an array is too small, it has run for a while and may be interrupted,
or a sum is beyond MOST_SUM."""


class State(NamedTuple):
    """The arrays of a run, of int64; the compiled loop has the memory that Python owns.

    Attributes:
        numbers: Single numbers.
        branches: Routes, which no run changes.
        templates: Packets of phases before their injection, which no run changes.
        phases: Phases of jobs, which no run changes.
        links: Links with the FIFOs at their ends.
        packets: Packets inside the network.
        entries: Packets with one of their branches.
        events: Heap of what happens on links.
        phase_ends: Heap of the ends of phases.
        injections: Heap of packets that the port of their tile accepts later.
        jobs: Jobs.
        waits: Waits of jobs by cause.
        marked: Links that are to choose at the end of this time.
        groups: Jobs whose present packets have all been delivered at this time.
        ended: Jobs that have ended at this time.
        inward: By tile, when the port into it is free; -1 if it was never in use.
        outward: By tile, when the port out of it is free.
    """

    numbers: Any
    branches: Any
    templates: Any
    phases: Any
    links: Any
    packets: Any
    entries: Any
    events: Any
    phase_ends: Any
    injections: Any
    jobs: Any
    waits: Any
    marked: Any
    groups: Any
    ended: Any
    inward: Any
    outward: Any


COLUMNS = {
    "links": LINK_COLUMNS, "packets": PACKET_COLUMNS, "entries": ENTRY_COLUMNS, "events": 4, "phase_ends": 4,
    "injections": 4, "jobs": JOB_COLUMNS, "waits": WAIT_COLUMNS, "marked": 1, "groups": 1, "ended": 1, "inward": 1,
    "outward": 1,
}  # fmt: skip
"""Numbers of a row of each array that a run changes."""
