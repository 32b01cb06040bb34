"""Messages reach whoever reads the log of pimsim, and cost no import where nobody does."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from pimsim.base.debug_log import DebugLog

LOG = DebugLog("pimsim.some.module")
IMPORTED = (
    "import sys; from pimsim.base.debug_log import DebugLog; log = DebugLog('pimsim'); log('%s', 1); "
    "print(log.is_read, log.logger, 'logging' in sys.modules)"
)


def test_a_message_has_the_name_of_its_module_and_the_place_of_the_call(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "pimsim"):
        assert LOG.is_read
        LOG("%d of %s", 2, "three")
    (record,) = caplog.records
    assert (record.name, record.levelname, record.getMessage()) == ("pimsim.some.module", "DEBUG", "2 of three")
    assert (record.filename, record.funcName) == ("test_debug_log.py", sys._getframe().f_code.co_name)


def test_nothing_is_formatted_where_nobody_reads() -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise AssertionError("formatted")

    assert not LOG.is_read
    LOG("%s", Unprintable())


def test_it_does_not_import_logging() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "None", "False"]
