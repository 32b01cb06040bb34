#!/usr/bin/env bash
# Library:     distributed 2026.8.0 (Dask), from PyPI.
# One guesses: client.scatter(x, broadcast=True) puts a copy on every worker, and the copies stay there; so data that was
#              broadcast survives the loss of a worker.
# Behaviour:   the copies exist at first. The ReduceReplicas policy of the active memory manager, which is on by default
#              and runs every 2 s, then drops all but one of them. If the worker with the last copy dies, nobody can
#              recompute scattered data, and every task that depends on it is cancelled.
# Seen:        "copies at once: 3", then "copies after the policy ran: 1".
# Way out:     send small data with each task, or switch the policy off (distributed.scheduler.active-memory-manager).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "distributed==2026.8.0"
cat >"$folder/broadcast.py" <<'PY'
import time

import distributed

if __name__ == "__main__":
    cluster = distributed.LocalCluster(n_workers=3, threads_per_worker=1, processes=False, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client:
        future = client.scatter({"plan": list(range(100))}, broadcast=True)

        def copies():
            (holders,) = client.who_has([future]).values()
            return len(holders)

        first, last = copies(), None
        for _ in range(60):
            last = copies()
            if last == 1:
                break
            time.sleep(1)
        print(f"distributed {distributed.__version__}")
        print(f"copies at once: {first}")
        print(f"copies after the policy ran: {last}")
        raise SystemExit(0 if (first, last) == (3, 1) else 1)
PY
"$folder/venv/bin/python" "$folder/broadcast.py"
