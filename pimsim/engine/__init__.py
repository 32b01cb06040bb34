"""The discrete-event engine: it walks the steps of a program through simulated time. Only this package uses SimPy.

Time is an integer number of picoseconds. Each fold, conversion, hop and access is one event; the engine never waits for
the result of a closed form. Where a program says that work is identical (`Identical` rounds, `Copies` in lockstep,
repeated blocks), one representative is simulated for all; with `expand=True` all are simulated.

All schedules use the same walk over steps. `serial` runs one assignment after another. `dataflow` runs each assignment
as a process that waits for its inputs and its resource. `contended` is `dataflow` with shared media
(`pimsim.hardware.shared`), inside which jobs delay one another.
"""

from pimsim.engine.execute import MAX_EVENTS, EngineRun, Schedule, run
from pimsim.engine.loop import Memo, MemoEntry

__all__ = ["MAX_EVENTS", "EngineRun", "Memo", "MemoEntry", "Schedule", "run"]
