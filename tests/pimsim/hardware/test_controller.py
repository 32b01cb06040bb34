"""Controller: a step per command."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.loading import load_config
from pimsim.config.schema import ControllerConfig
from pimsim.hardware.controller import CommandShare, Controller
from tests.oracles import naive_schedule
from tests.support import component_strategies


@given(config=component_strategies.controller_configs, commands=st.integers(1, 500))
def test_closed_form_is_the_sum_of_the_steps(config: ControllerConfig, commands: int) -> None:
    controller, share = Controller(config), CommandShare(commands)
    end_ps, events = naive_schedule.replay(controller.work(share))
    assert controller.latency_ps(share) == end_ps
    assert naive_schedule.action_counts(events) == {"controller.command": commands}
    exact_ps = 1e12 * commands * config.issue_cycles / config.clock_hz
    assert abs(end_ps - exact_ps) <= 0.5 * commands + 1e-9 * exact_ps


def test_by_hand() -> None:
    overrides = [
        "machine.controller.clock_hz=100 MHz",
        "machine.controller.issue_cycles=3",
        "machine.controller.command_energy_j=10 pJ",
        "machine.controller.leakage_w=10.65 mW",
        "machine.controller.area_m2=0.0691 mm^2",
    ]
    config = load_config({}, overrides).machine.controller
    controller = Controller(config)
    assert controller.latency_ps(CommandShare(5)) == 5 * 30_000
    assert controller.action_energies_j() == {"command": 10e-12}
    assert controller.leakage_w() == 10.65e-3
    assert [area.total_m2 for area in controller.areas()] == [0.0691e-6]
