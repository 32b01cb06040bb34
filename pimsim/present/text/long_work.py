"""What a user sees of a Monte Carlo run that takes long: how long, and how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pimsim.present.text.tables import console, duration, progress_bar

FIRST_WORD_S = 1.0
"""Time before anything is shown: shorter work needs no words, and its rate is not known yet."""

SLOW_SAMPLE_S = 10.0
"""Time of the first sample, with all preparation, from which the estimate does not wait for a second one."""

LONG_S = 10.0
"""Estimated time from which it is printed, also if standard error is not a terminal, which shows no bar."""


@contextmanager
def samples_progress(clock: Callable[[], float] = time.perf_counter) -> Iterator[Callable[[int, int], None]]:
    """Show on standard error how long the samples of a command take, and on a terminal a bar.

    Args:
        clock: Returns the present time, seconds.

    Yields:
        Function that takes the number of finished samples and of all.
    """
    started, silent, first_s = clock(), True, 0.0
    with progress_bar("samples", late=True) as bar:

        def show(done: int, of: int) -> None:
            nonlocal silent, first_s
            elapsed_s = clock() - started
            first_s = first_s or elapsed_s
            if elapsed_s < FIRST_WORD_S or (done == 1 and elapsed_s < SLOW_SAMPLE_S):
                return
            if silent:
                silent = False
                each_s = (elapsed_s - first_s) / (done - 1) if done > 1 else elapsed_s
                whole_s = first_s + each_s * (of - 1)
                if whole_s >= LONG_S:
                    text = f"pimsim: {of:,} samples take about {duration(whole_s)}; --samples N sets their number"
                    console(sys.stderr).print(text)
            if bar is not None:
                bar(done, of)

        yield show


def layer_lines(
    say: Callable[[str], None], clock: Callable[[], float] = time.perf_counter
) -> Callable[[int, int], None]:
    """Say after each layer of a long evaluation how far it is, and how long the other layers take.

    The estimate is the mean time of the layers that this process has finished, which do the same work each; layers of
    an earlier process do not count, nor does the LM head, whose time is not known before.

    Args:
        say: Prints a line.
        clock: Returns the present time, seconds.

    Returns:
        Function that takes the number of finished steps and of all: one per layer, and one for the LM head. It is
        called first before the work begins.
    """
    first, started, last_s = 0, 0.0, -1.0

    def show(done: int, of: int) -> None:
        nonlocal first, started, last_s
        now = clock()
        if last_s < 0:
            first, started, last_s = done, now, max(now, 0.0)
            if done:
                say(f"pimsim: {done} of {of - 1} layers were finished before")
            return
        if done >= of or now - last_s < FIRST_WORD_S:
            return
        last_s, left_s = now, (now - started) / (done - first) * (of - 1 - done)
        to_come = f"about {duration(left_s)} for the others, then the LM head" if done < of - 1 else "now the LM head"
        say(f"pimsim: {done} of {of - 1} layers finished; {to_come}")

    return show
