#!/usr/bin/env bash
# Library:     sched-sim 0.2.1, from PyPI ("100 % deterministic" says its page).
# One guesses: the same command with the same --seed prints the same result.
# Behaviour:   the token ids of a request without ids come from hash() of its name, which Python salts anew in each
#              process, modulo 100,000. Two of some thousand requests often get the same ids, so the prefix cache finds
#              prefixes that no request shares, and others in each process.
# Seen:        three results of three processes with the same seed, and cache hits of requests that share nothing.
# Way out:     give requests `prompt_token_ids`; PYTHONHASHSEED=0 makes runs equal, but not the hits right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "sched-sim==0.2.1"
cat >"$folder/run.py" <<'PY'
from sched_sim.core.event_engine import Simulator
from sched_sim.hardware.presets import get_hardware_profile
from sched_sim.schedulers.factory import create_scheduler
from sched_sim.workloads.generator import generate_workload

hardware = get_hardware_profile("a100")
scheduler = create_scheduler("cache_aware", hardware)
simulator = Simulator(hardware, scheduler)
simulator.submit_workload(generate_workload(rate_req_per_s=10, duration_s=100, workload_type="chatbot", seed=42))
metrics = simulator.run()
print(f"{scheduler.block_manager.prefix_cache.total_matched_tokens} tokens shared, TTFT {metrics.ttft_ms.mean} ms")
PY
for seed in 1 2 3; do PYTHONHASHSEED=$seed "$folder/venv/bin/python" "$folder/run.py"; done | tee "$folder/seen"
[ "$(sort -u "$folder/seen" | wc -l)" -gt 1 ]
