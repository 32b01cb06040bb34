"""Parameters that all routers of one network have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Arbitration = Literal["round_robin", "age"]


@dataclass(frozen=True, slots=True)
class RouterParameters:
    """Parameters that all routers of one network have in common.

    Attributes:
        buffer_packets: Capacity of each input FIFO, packets; None means unlimited.
        arbitration: Policy of an output link: round robin over the inputs of the router, or oldest packet first.
        router_ps: Latency from the end of a link to the FIFO behind it, picoseconds. It is pipelined: the link carries
            the next packet meanwhile.
        cut_through: True for virtual cut-through (a packet moves on when its head has arrived); False for
            store-and-forward (it moves on when its tail has arrived).
        bubble: True for bubble flow control: a packet may leave its tile only if the FIFO behind the link has space for
            one more packet after it. This keeps a ring free of deadlock.

    Reference:
        Bubble flow control: V. Puente et al., ICPP 1999.
    """

    buffer_packets: int | None = None
    arbitration: Arbitration = "round_robin"
    router_ps: int = 0
    cut_through: bool = False
    bubble: bool = False
