"""Off-chip memory: an access latency, then blocks at the bandwidth of all channels.

Under the contended schedule a memory with a timing table models banks and rows (`pimsim.hardware.shared.dram`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pimsim.base.units import to_ps
from pimsim.config.schema import DramConfig, MemoryConfig
from pimsim.hardware.component import Area, ceil_div
from pimsim.hardware.shared.medium import Medium
from pimsim.steps.step_tree import Counts, Identical, Sequence, Step, Work

if TYPE_CHECKING:
    from pimsim.hardware.shared.bank_refresh import BankRefresh


@dataclass(frozen=True, slots=True)
class MemoryShare:
    """Memory requests of equal size, served one after another.

    Attributes:
        size_bytes: Bytes per request.
        write: True for writes. On an idle memory the direction changes the action counted, not the latency.
        count: Number of requests.
        address: Byte address of the first request; the others follow it. None means behind the last allocation.
        interface: Interface that transfers it, on a memory with `machine.memory.interfaces`; empty means that of
            results for a write, and that of weights for a read.
        prefetched: True if it is requested early enough for the access latency to have passed when it is needed. It is
            a long stream, of which one block is simulated for all.
    """

    size_bytes: int
    write: bool = False
    count: int = 1
    address: int | None = None
    interface: Literal["", "activations", "weights", "results"] = ""
    prefetched: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """All memory channels together, interleaved round robin; or three interfaces with a rate each."""

    config: MemoryConfig
    name: str = "memory"

    def __post_init__(self) -> None:
        if self.config.dram:
            from pimsim.hardware.shared.bank_refresh import check_standard  # lazy, as `_bank_refresh`

            check_standard(self.config.dram)

    @property
    def units(self) -> int:
        """Number of interfaces that transfer at the same time; 1 if all requests share the channels."""
        return 1 if self.config.interfaces is None else 3

    @staticmethod
    def interface_of(share: MemoryShare) -> str:
        """Return the name of the interface that transfers a share.

        Args:
            share: The requests.

        Returns:
            "activations", "weights" or "results".
        """
        return share.interface or ("results" if share.write else "weights")

    def resource(self, share: MemoryShare) -> str:
        """Return the name of the resource that a request occupies.

        Args:
            share: The requests.

        Returns:
            The memory, or with separate interfaces one of them.
        """
        return self.name if self.config.interfaces is None else f"{self.name} interface of {self.interface_of(share)}"

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """Bandwidth of all channels in bytes/s: the peak, or with a timing table that of a long stream of reads."""
        peak = self.config.channels * self.config.channel_bandwidth_bytes_per_s
        dram = self.config.dram
        if dram is None:
            return peak
        return peak * dram.stream_efficiency * (_bank_refresh(dram).efficiency if dram.refresh == "per_bank" else 1)

    def work(self, share: MemoryShare) -> Work:
        """Return, per request, one step for the access latency, one per full block and one for the remaining bytes.

        A prefetched request has no step for the access latency, and identical blocks.

        Args:
            share: Size, direction and number of the requests.

        Returns:
            The steps of one request, repeated `share.count` times.
        """
        blocks, rest = divmod(share.size_bytes, self.config.block_bytes)
        steps: list[Work] = []
        if not share.prefetched:
            steps.append(Step(self.name, "memory", "first access", self._access_ps(share)))
        if blocks and share.prefetched:
            steps.append(Identical(self._block(share, self.config.block_bytes, 1), blocks))
        elif blocks:
            steps.append(self._block(share, self.config.block_bytes, blocks))
        if rest:
            steps.append(self._block(share, rest, 1))
        return Identical(Sequence(tuple(steps)), share.count)

    def _access_ps(self, share: MemoryShare) -> int:
        return 0 if share.prefetched else to_ps(self.config.access_latency_s)

    def _block(self, share: MemoryShare, size_bytes: int, repeat: int) -> Step:
        what = "write" if share.write else "read"
        counts: Counts = ((f"memory.{what}_bit", 8 * size_bytes),)
        if self.config.dram:
            counts += (("memory.activate", ceil_div(size_bytes, self.config.dram.row_bytes)),)
        return Step(self.name, "memory", what, self._transfer_ps(share, size_bytes), counts, repeat)

    def _transfer_ps(self, share: MemoryShare, size_bytes: int) -> int:
        interfaces = self.config.interfaces
        if interfaces is None:
            return to_ps(size_bytes / self.bandwidth_bytes_per_s)
        match self.interface_of(share):
            case "activations":
                rate = interfaces.activations_bytes_per_s
            case "results":
                rate = interfaces.results_bytes_per_s
            case _:
                rate = interfaces.weights_bytes_per_s
        return to_ps(size_bytes / rate)

    def latency_ps(self, share: MemoryShare) -> int:
        """Return the closed-form latency: access latency, full blocks and remaining bytes of every request.

        Args:
            share: Size, direction and number of the requests.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/model.md, eq. (29).
        """
        blocks, rest = divmod(share.size_bytes, self.config.block_bytes)
        transfer_ps = blocks * self._transfer_ps(share, self.config.block_bytes) + self._transfer_ps(share, rest)
        return share.count * (self._access_ps(share) + transfer_ps)

    def chunk_count(self, share: MemoryShare) -> int:
        """Return the number of chunks in which the channels serve a share under the contended schedule.

        Args:
            share: Size and number of the requests.

        Returns:
            Chunks of all channels together, at least one per request; 0 for a memory without a timing table.
        """
        if self.config.dram is None:
            return 0
        return share.count * max(1, ceil_div(share.size_bytes, self.config.dram.chunk_bytes))

    def contended(self) -> Medium | None:
        """Build an idle model of the channels and banks that concurrent requests share.

        Returns:
            A new DRAM model, or None for a memory without a timing table.

        Reference:
            docs/memory.md.
        """
        if self.config.dram is None:
            return None
        from pimsim.hardware.shared.dram import Dram  # lazy, as `_bank_refresh`

        return Dram(self.config, self.name)

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy per bit and, with a timing table, per row activation.

        Returns:
            Joules per "read_bit" and "write_bit"; with a timing table also per "activate".

        Reference:
            docs/model.md, eq. (30); the sources of the values are in configs/memory-*.yaml and docs/memory.md.
        """
        dram = self.config.dram
        if dram is None:
            return {
                "read_bit": self.config.read_energy_j_per_bit,
                "write_bit": self.config.write_energy_j_per_bit,
            }
        return {
            "activate": dram.activate_energy_j,
            "read_bit": dram.read_energy_j_per_bit,
            "write_bit": dram.write_energy_j_per_bit,
        }

    def areas(self) -> tuple[Area, ...]:
        """Return no area, since the memory is not on the chip.

        Returns:
            An empty tuple.
        """
        return ()

    def leakage_w(self) -> float:
        """Return the background power of all channels; with separate interfaces, the fraction of one of them.

        Refresh power is included, since refreshes do not depend on the activity of the memory.

        Returns:
            Power in watts.

        Reference:
            docs/model.md, eq. (31).
        """
        dram = self.config.dram
        if dram is None or not dram.refresh:
            return self.config.background_w / self.units
        channels = self.config.channels * dram.pseudo_channels
        # Refreshes of all banks one after another have, per round, the energy of one refresh of all banks.
        interval_s = _bank_refresh(dram).round_s if dram.refresh == "per_bank" else dram.trefi_s
        return self.config.background_w + channels * dram.refresh_energy_j / interval_s


def _bank_refresh(dram: DramConfig) -> BankRefresh:
    # Lazy: few memories have a timing table, and the model of one takes 10 ms to import, a thirtieth of a short run.
    from pimsim.hardware.shared.bank_refresh import bank_refresh

    return bank_refresh(dram)
