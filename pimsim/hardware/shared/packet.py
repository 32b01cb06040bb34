"""A packet inside the network, and the group of packets that it belongs to."""

from __future__ import annotations

from typing import Any

HOLDER, BITS, LINK_PS, LEAD_PS, GROUP, AGE, READY_PS, WAITED_PS, WAITED_FOR, PENDING, BRANCHES = range(11)
"""Fields of a packet, as indices into its list.

HOLDER: link whose FIFO holds the packet; -1: it is in the injection queue of its tile.
BITS: length.
LINK_PS, LEAD_PS: time for which it occupies a link, and time until its next link may be requested.
GROUP: the `PacketGroup` that it belongs to.
AGE: sequence number of its injection; the lowest is the oldest.
READY_PS: when it entered the FIFO or injection queue that it is in.
WAITED_PS, WAITED_FOR: its longest wait so far in one place, and the cause: (LINK, FULL or PORT, link number).
PENDING: copies that it must still send from here, and 1 more if it must still be delivered here.
BRANCHES: the links that it takes from here (`pimsim.hardware.shared.topology.Branch`).
"""

# A packet is a list: with objects that have attributes, a hop took half as long again.
Packet = list[Any]

LINK, FULL, PORT = range(3)
"""Why a packet waits: the link was in use, the FIFO behind the link was full, or the port into the tile was in use."""


class PacketGroup:
    """Packets that complete together, such as all packets of one phase of a job.

    Attributes:
        end_ps: Time of the last delivery; valid once `left` is 0.
        left: Deliveries that have not happened yet.
        waited_ps: Longest wait in one place of the packet that was delivered last, picoseconds.
        waited_for: Cause of that wait: (LINK, FULL or PORT, link number).
        owner: Object for which the group was created.
    """

    __slots__ = ("end_ps", "left", "owner", "waited_for", "waited_ps")

    def __init__(self, left: int, owner: Any) -> None:
        """Create a group before its first delivery.

        Args:
            left: Number of deliveries.
            owner: Object for which the group is created.
        """
        self.left, self.owner = left, owner
        self.end_ps = self.waited_ps = 0
        self.waited_for = (0, -1)


def deliver(packet: Packet, now_ps: int, completed: list[PacketGroup]) -> None:
    """Record the delivery of a packet to the tile where it is.

    Args:
        packet: The packet.
        now_ps: Time of the delivery, picoseconds.
        completed: List to which the packet's group is appended if this was its last delivery.
    """
    packet[PENDING] -= 1
    group = packet[GROUP]
    group.left -= 1
    if not group.left:
        group.end_ps, group.waited_ps, group.waited_for = now_ps, packet[WAITED_PS], packet[WAITED_FOR]
        completed.append(group)
