"""The programs that `pimsim validate --live` runs, and how each computes the values of a row."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from pimsim.studies.validation.peers import scalesim_runs
from pimsim.studies.validation.peers.peer_environment import PeerUnavailableError, peer_python, run

Values = Mapping[str, float]

MOST_MACS = 1 << 20
"""Largest matmul that SCALE-Sim runs here: 16 million MACs take it some minutes."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another program.

    Attributes:
        title: Its name and version.
        installs: Arguments of each `pip install`.
        compute: Function of its interpreter and labels of values, which returns the values.
        runs: Function of a label that tells whether it is run; the stored value is kept otherwise.
        newest_of: Smallest version of Python that it needs; empty means any.
    """

    title: str
    installs: tuple[tuple[str, ...], ...]
    compute: Callable[[str, Sequence[str]], Values]
    runs: Callable[[str], bool] = lambda _: True
    newest_of: str = ""


def live_values(name: str, labels: Sequence[str], folder: Path) -> Values:
    """Run a program, which is installed first if it is not.

    Args:
        name: Key of `PEERS`.
        labels: Labels of the values of a row.
        folder: Folder of environments.

    Returns:
        Values by label, of those that the program runs.

    Raises:
        PeerUnavailableError: If it cannot be installed or does not run here.
    """
    peer = PEERS[name]
    python = peer_python(folder, name, peer.installs, peer.newest_of)
    wanted = [label for label in labels if peer.runs(label)]
    values = peer.compute(python, wanted)
    if missing := [label for label in wanted if label not in values]:
        raise PeerUnavailableError(f"{peer.title} returned no value for {missing[0]}")
    return values


def _script(text: str) -> Callable[[str, Sequence[str]], Values]:
    """Return the `compute` of a program that is a library: a script that reads labels and prints values, as JSON."""

    def compute(python: str, labels: Sequence[str]) -> Values:
        out = run([python, "-I", "-W", "ignore", "-c", text], "its script", given=json.dumps(list(labels)))
        values: dict[str, float] = json.loads(out.splitlines()[-1])
        return values

    return compute


def _scalesim_macs(label: str) -> int:
    shape = label.split()[0]
    m, n, k = map(int, shape.split(","))
    return m * n * k


def _scalesim_cycles(python: str, labels: Sequence[str]) -> Values:
    with TemporaryDirectory() as text:
        folder = Path(text)
        jobs: list[Mapping[str, object]] = []
        for number, label in enumerate(labels):
            shape, dataflow = label.split()
            config, table = folder / f"{number}.cfg", folder / f"{number}.csv"
            sizes = {"height": 32, "width": 32, "kb": 1024, "sparse": "false"}
            config.write_text(scalesim_runs.CONFIG.format(dataflow=dataflow, **sizes), encoding="utf-8")
            table.write_text(f"Layer, M, N, K,\na, {shape},\n", encoding="utf-8")
            jobs.append({"config": str(config), "table": str(table), "gemm": True})
        found = scalesim_runs.run_tables(python, folder, jobs)
    return {label: float(layers[0][0]) for label, layers in zip(labels, found, strict=True)}


_BADCROSSBAR = """
import json, logging, sys
import numpy as np
logging.disable()
import badcrossbar
values, solved = {}, {}
for label in json.load(sys.stdin):
    size, word, bit, column = label.split()
    if (size, word, bit) not in solved:
        n = int(size)
        rows, columns = np.indices((n, n))
        ohm = np.where((7 * rows + 11 * columns) % 5 < 2, 1e4, 1e6)
        volts = np.where(np.arange(n) % 3 == 0, 0.0, 0.15)
        solution = badcrossbar.compute(volts[:, None], ohm, r_i_word_line=float(word), r_i_bit_line=float(bit))
        solved[size, word, bit] = solution.currents.output[0]
    values[label] = float(solved[size, word, bit][int(column)]) * 1e6
print(json.dumps(values))
"""
_AIHWKIT = """
import json, sys
from aihwkit.inference.noise.reram import ReRamWan2022NoiseModel
model, values = ReRamWan2022NoiseModel(g_max=40.0), {}
for label in json.load(sys.stdin):
    conductance, age = map(float, label.split())
    coefficients = model.coeff_dic[age]
    values[label] = sum(each * (conductance / 40) ** power for power, each in enumerate(coefficients))
print(json.dumps(values))
"""
_ADC = """
import json, sys
from hwcomponents_adc import ADC
cost = ADC(n_bits=8, tech_node=45e-9, throughput=1e9).convert()
print(json.dumps({label: cost.energy * 1e12 for label in json.load(sys.stdin)}))
"""

PEERS: Mapping[str, Peer] = MappingProxyType(
    {
        "scalesim": Peer(
            "SCALE-Sim 3.0.0",
            (scalesim_runs.REQUIREMENTS,),
            _scalesim_cycles,
            lambda label: _scalesim_macs(label) <= MOST_MACS,
        ),
        "badcrossbar": Peer(
            "badcrossbar 1.1.0",
            (("--no-deps", "badcrossbar==1.1.0"), ("numpy", "scipy", "pathvalidate", "sigfig")),  # its pycairo draws
            _script(_BADCROSSBAR),
        ),
        "aihwkit": Peer("aihwkit 1.2.0", (("aihwkit==1.2.0",),), _script(_AIHWKIT)),
        "accelforge": Peer("AccelForge 1.0.467", (("accelforge==1.0.467",),), _script(_ADC), newest_of="3.12"),
    }
)
"""Programs by the name that rows have in `peer`."""
