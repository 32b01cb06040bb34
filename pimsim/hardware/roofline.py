"""A GPU or CPU as a roofline: an op takes the longer of its operations and its bytes, after an overhead per kernel.

One efficiency of the operations and one of the bandwidth hold for all models of a device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import RooflineConfig
from pimsim.hardware.component import Area, SingleUnit
from pimsim.hardware.memory import Memory
from pimsim.hardware.op_share import OpShare, memory_counts
from pimsim.steps.step_tree import Sequence, Step, Work

INTEGER_BITS = 8
"""Widest operands of which the peak of integers holds."""


@dataclass(frozen=True, slots=True)
class Roofline(SingleUnit):
    """A processor that computes one op at a time, with the memory whose bandwidth it uses."""

    config: RooflineConfig
    memory: Memory
    name: str = "roofline"

    def moved_bytes(self, share: OpShare) -> tuple[int, int]:
        """Return the bytes of an op that pass the memory.

        Weights and cached entries always do. Activations do if they exceed the last level of cache, but scores and
        attention weights of fused attention never do.

        Args:
            share: The op.

        Returns:
            Bytes read and bytes written.

        Reference:
            docs/baselines.md, eq. (2).
        """
        read, written = share.input_bytes, share.output_bytes
        if self.config.fused_attention:
            read = 0 if share.on_scores or share.kind == "values" else read
            written = 0 if share.on_scores or share.kind == "scores" else written
        read, written = (size if size > self.config.cache_bytes else 0 for size in (read, written))
        return share.read_bytes + read, share.cache_write_bytes + written

    def work(self, share: OpShare) -> Work:
        """Return the overhead of a kernel, then operations and bytes at the same time, of which the longer is shown.

        Args:
            share: The op.

        Returns:
            The steps, with picoseconds of activity and bits of the memory as action counts.
        """
        overhead_ps, compute_ps, transfer_ps = self._times_ps(share)
        read, written = self.moved_bytes(share)
        busy_ps = overhead_ps + max(compute_ps, transfer_ps)
        actions = ((f"{self.name}.active_ps", busy_ps), (f"{self.name}.mac", share.macs))
        counts = tuple((action, count) for action, count in actions if count)
        counts += memory_counts(self.memory, read, written)
        part = "processor" if compute_ps > transfer_ps else "memory"
        op = Step(self.name, part, share.label, max(compute_ps, transfer_ps), counts)
        return Sequence((Step(self.name, "processor", "overhead", overhead_ps), op)) if overhead_ps else op

    def _times_ps(self, share: OpShare) -> tuple[int, int, int]:
        """Return the times of an op: overhead, operations and bytes."""
        config = self.config
        integer = max(share.input_bits, share.cache_bits) <= INTEGER_BITS
        peak = config.peak_int8_ops_per_s if integer else config.peak_fp16_ops_per_s
        operations = 2 * share.macs + share.element_operations
        return (
            to_ps(config.overhead_s) if self._is_kernel(share) else 0,
            to_ps(operations / (peak * config.compute_efficiency)),
            to_ps(sum(self.moved_bytes(share)) / self.bandwidth_bytes_per_s),
        )

    def _is_kernel(self, share: OpShare) -> bool:
        return share.kind in ("projection", "scores") or (share.kind == "values" and not self.config.fused_attention)

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """Bytes per second that software reaches: a part of the peak of all channels of the memory."""
        memory = self.memory.config
        return memory.channels * memory.channel_bandwidth_bytes_per_s * self.config.bandwidth_efficiency

    def latency_ps(self, share: OpShare) -> int:
        """Return the closed-form latency: overhead, and the longer of operations and bytes.

        Args:
            share: The op.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/baselines.md, eq. (1).
        """
        overhead_ps, compute_ps, transfer_ps = self._times_ps(share)
        return overhead_ps + max(compute_ps, transfer_ps)

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy of a picosecond of activity; products are contained in it.

        Returns:
            Joules per "active_ps" and "mac".

        Reference:
            docs/baselines.md, eq. (3).
        """
        return {"active_ps": self.config.tdp_w * self.config.active_share * 1e-12, "mac": 0.0}

    def areas(self) -> tuple[Area, ...]:
        """Return the area of the dies of the processor, without memory.

        Returns:
            One item, m^2.
        """
        return (Area("dies", self.config.area_m2, 1),)

    def leakage_w(self) -> float:
        """Return no leakage, which is contained in the power of activity.

        Returns:
            0 W.
        """
        return 0.0
