"""The program that a config and a trace are mapped to."""

from __future__ import annotations

from pimsim.config.schema import Config
from pimsim.hardware.machine import build_machine
from pimsim.mapping.operations import map_trace
from pimsim.mapping.program import Program
from workloads.trace import Trace


def program_of(config: Config, trace: Trace) -> Program:
    return map_trace(config, build_machine(config.machine), trace).program
