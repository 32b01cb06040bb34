"""The event loop, and the only place that knows SimPy: walk a program's steps through simulated time.

Time is an integer number of picoseconds. Every fold, conversion, hop and access is an event of its own; nothing here
sleeps for the length of a closed form. Where a program says that things happen alike (`Identical` rounds, `Copies`
in lockstep, repeated blocks), one of them is stepped through and stands for all; with `expand=True` all are.

There is one walk over steps and two schedules around it: `serial` runs one assignment after another, `dataflow` gives
each a process of its own that waits for its inputs and its resource.
"""

from pimsim.engine.execute import MAX_EVENTS, EngineRun, Schedule, run
from pimsim.engine.loop import Memo, MemoEntry

__all__ = ["MAX_EVENTS", "EngineRun", "Memo", "MemoEntry", "Schedule", "run"]
