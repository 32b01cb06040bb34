"""Scaling of digital logic and of wires between technology nodes: factors of energy, delay and area.

The fits are those of Stillmaker and Baas, each evaluated at the supply voltage of its own node. From 45 nm on, the fits
of high-performance (HP) transistors are used on both sides of every ratio: public implementations mix HP and LP fits.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import exp, log
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class NodeFit:
    """Fit of one node.

    Attributes:
        voltage_v: Supply voltage at which the fit is evaluated, volts.
        delay: Coefficients of V^3, V^2, V and 1 of the relative delay of a gate.
        energy: Coefficients of V^2, V and 1 of its relative energy.
    """

    voltage_v: float
    delay: tuple[float, float, float, float]
    energy: tuple[float, float, float]

    @property
    def relative_delay(self) -> float:
        """Delay of a gate relative to that of other nodes."""
        a3, a2, a1, a0 = self.delay
        return ((a3 * self.voltage_v + a2) * self.voltage_v + a1) * self.voltage_v + a0

    @property
    def relative_energy(self) -> float:
        """Energy of a switching gate relative to that of other nodes."""
        b2, b1, b0 = self.energy
        return (b2 * self.voltage_v + b1) * self.voltage_v + b0


# Stillmaker and Baas, Integration 58 (2017): coefficients as transcribed in nodeScale.py of wromaszkan/nodeScale; the
# rows of 130 to 7 nm are also in hwcomponents/scaling/techscaling.py of Accelergy-Project/hwcomponents [A]. The
# voltages are not part of the fits: nominal supplies of the nodes [R].
FITS: Mapping[int, NodeFit] = MappingProxyType(
    {
        180: NodeFit(1.8, (0, 97.09, -356.7, 406.5), (0, 24.64, -17.98)),
        130: NodeFit(1.2, (-76.65, 334.9, -493.4, 275.8), (7.171, -6.709, 2.904)),
        90: NodeFit(1.1, (-60.34, 262.5, -384.2, 210.9), (4.762, -4.781, 2.092)),
        65: NodeFit(1.1, (-53.3, 230.4, -333.9, 178.6), (3.755, -4.398, 1.975)),
        45: NodeFit(1.0, (-501.6, 1567, -1619, 566.1), (1.018, -0.3107, 0.1539)),
        32: NodeFit(0.9, (-1047, 2982, -2797, 873.5), (0.8367, -0.4341, 0.1701)),
        20: NodeFit(0.9, (0, 34.63, -66.37, 41.15), (0.373, -0.1582, 0.04104)),
        16: NodeFit(0.8, (0, 24.8, -47.52, 28.87), (0.2958, -0.1241, 0.03024)),
        14: NodeFit(0.8, (-40.66, 109.2, -100.6, 35.92), (0.2363, -0.09675, 0.02239)),
        10: NodeFit(0.7, (-34.95, 93.65, -85.99, 30.4), (0.2068, -0.09311, 0.02375)),
        7: NodeFit(0.7, (-28.58, 76.6, -70.26, 24.69), (0.1776, -0.09097, 0.02447)),
    }
)
NODES = tuple(FITS)
"""Nodes of the fits, nm, from the largest to the smallest."""

# The same paper's table of area factors: row "from", column "to", in the order of NODES; rounded there [A].
_AREA: Mapping[int, tuple[float, ...]] = MappingProxyType(
    {
        180: (1, 0.34, 0.15, 0.08, 0.053, 0.025, 0.011, 0.01, 0.0093, 0.0055, 0.0032),
        130: (2.9, 1, 0.44, 0.23, 0.16, 0.072, 0.033, 0.03, 0.027, 0.016, 0.0092),
        90: (6.6, 2.3, 1, 0.53, 0.35, 0.16, 0.075, 0.067, 0.061, 0.036, 0.021),
        65: (12, 4.3, 1.9, 1, 0.66, 0.31, 0.14, 0.13, 0.12, 0.068, 0.039),
        45: (19, 6.4, 2.8, 1.5, 1, 0.46, 0.21, 0.19, 0.17, 0.1, 0.059),
        32: (40, 14, 6.1, 3.3, 2.2, 1, 0.46, 0.41, 0.38, 0.22, 0.13),
        20: (88, 30, 13, 7.1, 4.7, 2.2, 1, 0.89, 0.82, 0.48, 0.28),
        16: (99, 34, 15, 7.9, 5.3, 2.4, 1.1, 1, 0.91, 0.54, 0.31),
        14: (110, 37, 16, 8.7, 5.8, 2.7, 1.2, 1.1, 1, 0.59, 0.34),
        10: (180, 63, 28, 15, 9.8, 4.5, 2.1, 1.9, 1.7, 1, 0.58),
        7: (320, 110, 48, 25, 17, 7.8, 3.6, 3.2, 2.9, 1.7, 1),
    }
)


def energy_factor(from_nm: float, to_nm: float) -> float:
    """Return the factor of the energy of digital logic from one node to another.

    Args:
        from_nm: Node of the known energy, nm, between 7 and 180.
        to_nm: Node of the wanted energy, nm, between 7 and 180.

    Returns:
        Factor; exactly 1 for equal nodes.

    Reference:
        docs/technology.md, eq. (1) and (4); Stillmaker and Baas, Integration 58 (2017).
    """
    return _ratio(lambda node: FITS[node].relative_energy, from_nm, to_nm)


def delay_factor(from_nm: float, to_nm: float) -> float:
    """Return the factor of the delay of digital logic from one node to another.

    Args:
        from_nm: Node of the known delay, nm, between 7 and 180.
        to_nm: Node of the wanted delay, nm, between 7 and 180.

    Returns:
        Factor; exactly 1 for equal nodes.

    Reference:
        docs/technology.md, eq. (2) and (4); Stillmaker and Baas, Integration 58 (2017).
    """
    return _ratio(lambda node: FITS[node].relative_delay, from_nm, to_nm)


def area_factor(from_nm: float, to_nm: float) -> float:
    """Return the factor of the area of digital logic from one node to another.

    Between nodes of the table, its logarithm is interpolated over the logarithms of both nodes.

    Args:
        from_nm: Node of the known area, nm, between 7 and 180.
        to_nm: Node of the wanted area, nm, between 7 and 180.

    Returns:
        Factor: an entry of the table for two of its nodes; exactly 1 for equal nodes.

    Reference:
        docs/technology.md, eq. (4); Stillmaker and Baas, Integration 58 (2017).
    """
    if from_nm == to_nm:
        return 1.0
    return exp(
        sum(
            row_weight * weight * log(_AREA[row][NODES.index(column)])
            for row, row_weight in neighbours(from_nm, NODES)
            for column, weight in neighbours(to_nm, NODES)
        )
    )


def wire_energy_factor(from_nm: float, to_nm: float) -> float:
    """Return the factor of the energy per bit and length of a wire between two nodes.

    The capacitance of a wire per length hardly depends on the node, since all of its dimensions shrink together; the
    energy per length therefore follows the square of the supply voltage. Resistance delays a wire and costs no energy.

    Args:
        from_nm: Node of the known energy, nm, between 7 and 180.
        to_nm: Node of the wanted energy, nm, between 7 and 180.

    Returns:
        Factor; exactly 1 for equal nodes.

    Reference:
        docs/technology.md, eq. (3) and (4); Ho, Mai and Horowitz, Proc. IEEE 89(4), 2001.
    """
    return _ratio(lambda node: FITS[node].voltage_v ** 2, from_nm, to_nm)


def neighbours(node_nm: float, nodes: tuple[int, ...]) -> tuple[tuple[int, float], ...]:
    """Return the nodes between which a node lies, with the weights of a linear interpolation over its logarithm.

    Args:
        node_nm: Node, nm, within the range of `nodes`.
        nodes: Nodes from the largest to the smallest, nm.

    Returns:
        One node with weight 1 if it is one of `nodes`, else two nodes whose weights add up to 1.

    Reference:
        docs/technology.md, eq. (4).
    """
    if node_nm in nodes:
        return ((int(node_nm), 1.0),)
    above = bisect_left(nodes, -node_nm, key=lambda node: -node) - 1
    large, small = nodes[above], nodes[above + 1]
    weight = log(large / node_nm) / log(large / small)
    return ((large, 1 - weight), (small, weight))


def _ratio(quantity: Callable[[int], float], from_nm: float, to_nm: float) -> float:
    """Return the ratio of a quantity at two nodes.

    Args:
        quantity: The quantity at a node of `NODES`.
        from_nm: Node of the denominator, nm.
        to_nm: Node of the numerator, nm.

    Returns:
        The ratio, from logarithms that are interpolated where a node is not in `NODES`.
    """
    if from_nm == to_nm:
        return 1.0
    to, own = (exp(sum(w * log(quantity(node)) for node, w in neighbours(at, NODES))) for at in (to_nm, from_nm))
    return to / own
