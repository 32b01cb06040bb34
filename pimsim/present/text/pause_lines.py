"""Lines about the pauses of serving machines for the upkeep of their cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pimsim.base.summaries import counted
from pimsim.present.text.tables import quantity
from pimsim.studies.serving.upkeep_pauses import Pause, UpkeepTask, pause_figures


def pause_rows(
    tasks: Sequence[UpkeepTask], pauses: Sequence[Pause], machines: int = 1
) -> Iterator[tuple[str, str, str]]:
    """Describe the pauses of serving machines in rows of a table.

    Args:
        tasks: What was due, on each of the machines.
        pauses: What was done.
        machines: Number of machines.

    Yields:
        Name, value and explanation; no row for a machine without upkeep.
    """
    if not tasks:
        return
    figures, kinds = pause_figures(tasks, pauses, machines), Counter(each.kind for each in pauses)
    done = " and ".join(counted(kinds[kind], kind) for kind in dict.fromkeys(each.kind for each in tasks))
    late = f"; up to {quantity(figures['upkeep_longest_delay_s'], '_s')} late" if pauses else ""
    spent = f"{quantity(figures['upkeep_s'], '_s')}, {quantity(figures['upkeep_energy_j'], '_j')}{late}"
    yield "upkeep", done, spent if pauses else "none is complete within this time"
    power = quantity(figures["upkeep_average_w"], "_w")
    time = "the time" if machines == 1 else "the time of a machine"
    yield "", f"{figures['upkeep_average_share']:.3g} of {time}", f"and {power}, in the long run"
