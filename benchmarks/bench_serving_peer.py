"""Requests per second of `serve` and of sched-sim 0.2.1, which has a formula in place of a machine, in the same run.

    python benchmarks/bench_serving_peer.py
    python benchmarks/bench_serving_peer.py --sched-sim-python ENVIRONMENT/bin/python

Both get requests with the same lengths, and batches of at most 8: `pim-llm-published` at a rate that keeps it busy for
most of the time, an A100 of sched-sim at two rates, of which the larger one is its default and overloads it. The time
is processor time after start-up and imports; runs alternate. Reports are not written. Without an interpreter that has
sched-sim, a temporary environment is made and the pinned package is installed into it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from measuring import duration, print_circumstances, print_table

from pimsim import load_config, poisson_requests, serve
from pimsim.studies.validation.peers.peer_environment import peer_python
from workloads.requests import Request

REQUIREMENT = "sched-sim==0.2.1"
SCRIPT = """
import json, sys, time
from sched_sim.core.event_engine import Simulator
from sched_sim.core.request import Request
from sched_sim.hardware.presets import get_hardware_profile
from sched_sim.schedulers.factory import create_scheduler
hardware = get_hardware_profile("a100")
simulator = Simulator(hardware, create_scheduler("fcfs", hardware, max_batch_size=8))
requests = [Request(request_id=str(at), arrived_at=arrival, prompt_tokens=prompt, output_tokens=output)
            for at, (arrival, prompt, output) in enumerate(json.load(sys.stdin))]
start = time.process_time()
simulator.submit_workload(requests)
metrics = simulator.run()
print(json.dumps([time.process_time() - start, metrics.completed_requests, len(simulator.iteration_records),
                  metrics.avg_batch_size]))
"""


def peer(python: str, requests: Sequence[Request], scale: float) -> tuple[float, int, int, float]:
    """Serve requests by sched-sim, with scaled arrival times.

    Returns:
        Processor time in seconds, completed requests, iterations, and mean batch.
    """
    listed = json.dumps([[each.arrival_s * scale, each.prompt_tokens, each.output_tokens] for each in requests])
    done = subprocess.run([python, "-I", "-c", SCRIPT], input=listed, capture_output=True, text=True, check=True)
    took, completed, iterations, batch = json.loads(done.stdout.splitlines()[-1])
    return took, completed, iterations, batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sched-sim-python", help="interpreter that has sched-sim; default: a new environment")
    parser.add_argument("--count", type=int, default=10_000, help="requests")
    parser.add_argument("--rate", type=float, default=0.05, help="requests/s to pimsim")
    parser.add_argument("--peer-rates", type=float, nargs="+", default=[3.0, 10.0], help="requests/s to sched-sim")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    lengths = {"prompt": "lognormal:256:0.8", "output": "lognormal:128:0.7", "seed": 1}
    config = load_config("pim-llm-published")
    requests = poisson_requests(options.rate, options.count, **lengths)
    seconds: dict[str, list[float]] = {}
    shapes: dict[str, tuple[int, int, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        python = options.sched_sim_python or peer_python(Path(folder), "schedsim", ((REQUIREMENT,),))
        for _ in range(options.runs):
            start = time.process_time()
            result = serve(config, requests)
            seconds.setdefault("pimsim", []).append(time.process_time() - start)
            batch = statistics.fmean(each.prefills + each.decodes for each in result.iterations)
            shapes["pimsim"] = len(result.requests), len(result.iterations), batch
            for rate in options.peer_rates:
                name = f"sched-sim, {rate:g} requests/s"
                took, *shape = peer(python, requests, options.rate / rate)
                seconds.setdefault(name, []).append(took)
                shapes[name] = shape[0], shape[1], shape[2]
    print_circumstances()
    rows = []
    for name, times in seconds.items():
        median = statistics.median(times)
        number, steps, mean_batch = shapes[name]
        rates = f"{number / median:,.0f}", f"{steps / median:,.0f}"
        ratio = statistics.median(here / there for here, there in zip(seconds["pimsim"], times, strict=True))
        cells = f"{number:,}", f"{steps:,}", f"{mean_batch:.2f}", duration(median), *rates, f"{ratio:.2f}"
        rows.append((name, *cells))
    head = ("", "requests", "iterations", "mean batch", "processor time, median", "requests/s", "iterations/s")
    print_table((*head, "time ratio, pimsim / this"), rows)


if __name__ == "__main__":
    main()
