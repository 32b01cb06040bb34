"""Whatever happens to a file that a user brings, it is read, or refused with a PimsimError; in deep runs within 1 s.

Configs have a test of their own (`test_config_fuzz`), which also checks what is read. The readers are called through
their public functions.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pimsim.base.errors import PimsimError
from pimsim.base.shipped_files import find_config, find_requests, find_sweep, find_trace, list_sweeps
from pimsim.cli.config_loading import load
from pimsim.importers import mnsim, scalesim, scalesim_tables
from pimsim.results.store import read_result, write_result
from pimsim.simulation import load_trace, make_trace, simulate
from pimsim.studies.optimization.search_spec import load_search
from pimsim.studies.serving.serving_run import load_requests
from pimsim.studies.sweep.space.plan import load_sweep
from tests.support.counts import DEEP, scaled
from tests.support.importer_files import GEMMS, V2, cfg, ini
from tests.support.mutations import mutated
from tests.support.searches import SEARCH
from tests.support.tiny_checkpoints import write_checkpoint
from workloads.checkpoint import load_network
from workloads.workload_errors import WorkloadError

SECONDS = 1.0
"""Processor time of one case in the deep profile."""

Reader = Callable[[Path], object]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, bytes]]:
    """Return name and content of a sound file of each kind."""
    folder = tmp_path_factory.mktemp("originals")
    write_result(simulate(load("pim-llm", ["workload.model=gpt2-small"])), folder / "result.h5")
    write_checkpoint(folder, "gpt2")
    return {
        "config": ("config.yaml", find_config("pim-llm").read_bytes()),
        "trace": ("trace.json", find_trace("gpt2-medium-decode-128").read_bytes()),
        "result": ("result.h5", (folder / "result.h5").read_bytes()),
        "safetensors": ("model.safetensors", (folder / "model.safetensors").read_bytes()),
        "model config": ("config.json", (folder / "config.json").read_bytes()),
        "sweep": ("sweep.yaml", find_sweep(min(list_sweeps())).read_bytes()),
        "search": ("search.yaml", yaml.safe_dump(SEARCH).encode()),
        "requests": ("requests.jsonl", find_requests("requests-chat").read_bytes()[:4000]),
        "mnsim": ("SimConfig.ini", ini().encode()),
        "scalesim": ("scale.cfg", cfg(V2).encode()),
        "scalesim table": ("gemms.csv", GEMMS.encode()),
    }


READERS: dict[str, Reader] = {
    "config": lambda path: load(str(path), []),
    "trace": lambda path: load_trace(str(path)),
    "result": read_result,
    "safetensors": lambda path: load_network(path.parent),
    "model config": lambda path: make_trace(load("pim-llm", [f"workload.model={path}"])),
    "sweep": lambda path: load_sweep(path),
    "search": lambda path: load_search(path),
    "requests": lambda path: load_requests(str(path)),
    "mnsim": mnsim.import_config,
    "scalesim": scalesim.import_config,
    "scalesim table": scalesim_tables.import_topology,
}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", READERS)
def test_a_mutated_file_is_read_or_refused(kind: str, originals: dict[str, tuple[str, bytes]], tmp_path: Path) -> None:
    name, data = originals[kind]
    path, read, refused = tmp_path / name, READERS[kind], 0
    if kind == "safetensors":
        write_checkpoint(tmp_path, "gpt2")
    count = scaled(8, 1000)
    for index in range(count):
        path.write_bytes(mutated(data, random.Random(f"{kind} {index}")))
        began = time.process_time()
        try:
            read(path)
            message = "none"
        except (PimsimError, WorkloadError) as error:
            message = str(error)
            refused += 1
        except Exception as error:
            raise AssertionError(f"{kind} {index}: {type(error).__name__}: {error}") from error
        assert message.strip(), f"{kind} {index}"
        assert message.replace("\n", "").isprintable(), f"{kind} {index}"
        assert len(message.splitlines()) <= 25, f"{kind} {index}"
        assert not DEEP or time.process_time() - began < SECONDS, f"{kind} {index}"
    assert refused, "the mutations damage something"
