"""Tuning starts with the exact network of its folder, sees the errors of the arrays, and continues after a stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.closeness import near
from workloads.checkpoint import load_network
from workloads.shipped import network_folder

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from tools.training import text  # noqa: E402
from tools.training.continuing import continued, projections  # noqa: E402
from tools.training.model import ArrayErrors, Quantised, absmean  # noqa: E402
from tools.training.packing import tensors  # noqa: E402
from tools.training.tune import Run, Tuning, array_params, codes, digest, run  # noqa: E402

PAIR = "machine.crossbar.pair"
FOLDER = network_folder()
IDEAL = (f"{PAIR}.wires.model=none", f"{PAIR}.adc.bits=5", f"{PAIR}.noise.faults.stuck_lrs=0.02")
SETTINGS: dict[str, Any] = {
    "seed": 3,
    "steps": 4,
    "warmup": 2,
    "batch": 3,
    "exact": 1,
    "redraw": 2,
    "measure": 2,
    "matrix_rate": 0.004,
    "other_rate": 0.0004,
    "teacher": 0.3,
    "teacher_order": 2,
    "config": "pim-llm",
    "settings": IDEAL,
    "faults": None,
    "chip": 0,
    "start": digest(FOLDER),
}


def corpus() -> text.Corpus:
    """Return a small corpus of chapters of the held-out text; a real run has all chapters."""
    chapters = (FOLDER / "held-out.txt").read_text(encoding="utf-8").removeprefix("\n").split("\n\n")
    named = [text.Chapter(f"chapter{number}", each.rstrip("\n") + "\n") for number, each in enumerate(chapters[:9])]
    alphabet = text.Chapter("alphabet", (FOLDER / "calibration.txt").read_text(encoding="utf-8"))
    missing = sorted(set("".join(tokens_of_folder())) - set("".join(each.text for each in (*named, alphabet))))
    return text.Corpus([*named[:7], alphabet, text.Chapter("rest", "".join(missing))], named[7:8], named[8:])


def tokens_of_folder() -> list[str]:
    """Return the tokens of the network without the replacement."""
    import json

    vocabulary = json.loads((FOLDER / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return [token for token in vocabulary if token != text.REPLACEMENT]


def test_a_continued_model_is_the_exact_network_of_its_folder() -> None:
    from safetensors.torch import load_file

    stored, made = load_file(FOLDER / "model.safetensors"), tensors(continued(FOLDER, 5))
    assert stored.keys() == made.keys()
    for name, tensor in stored.items():
        if name.endswith("weight_scale"):
            assert torch.allclose(made[name], tensor, rtol=1e-5)
        else:
            assert torch.equal(made[name], tensor)


def test_windows_have_the_errors_of_their_arrays_or_none() -> None:
    model, ids = continued(FOLDER, 5), torch.arange(32).reshape(2, 16) % 60
    exact = model(ids, Quantised.PROJECTIONS)
    for layer in projections(model).values():
        layer.errors = ArrayErrors(torch.zeros_like(layer.weight), 0.0, 1)
    assert torch.allclose(model(ids), exact, atol=1e-4)
    site, layer = next(iter(projections(model).items()))
    assert (site.layer, site.role) == (0, "q")
    layer.errors = ArrayErrors(torch.ones_like(layer.weight), 0.0, 1)
    changed = model(ids)
    assert torch.allclose(changed[0], exact[0], atol=1e-4)
    assert not torch.allclose(changed[1], exact[1], atol=1e-2)


def test_the_rest_has_the_unit_of_integer_results() -> None:
    """Noise of 1 in integer results is max |x| / 127 times the scale of the matrix in the outputs."""
    from tools.training.model import BitLinear, project

    torch.manual_seed(0)
    layer = BitLinear(64, 2000)
    x = torch.randn(1, 3, 64)
    (exact,) = project(x, Quantised.PROJECTIONS, layer)
    layer.errors = ArrayErrors(torch.zeros_like(layer.weight), 10.0, 0)
    (noisy,) = project(x, Quantised.PROJECTIONS, layer)
    unit = x.abs().amax(dim=-1) / 127 * absmean(layer.weight)
    assert torch.allclose((noisy - exact).std(dim=-1) / unit, torch.tensor(10.0), rtol=0.1)


@pytest.mark.parametrize("faults", [None, 0])
def test_a_run_continues_as_if_it_had_not_stopped(faults: int | None, tmp_path: Path) -> None:
    tuning = Tuning(**SETTINGS | {"faults": faults})
    whole = Run(tuning, corpus(), FOLDER, tmp_path)
    run(whole, save=1, every=4)
    first = Run(tuning, corpus(), FOLDER, tmp_path / "parts")
    first.folder.mkdir()
    for _ in range(2):
        first.advance()
    first.save()
    second = Run(tuning, corpus(), FOLDER, tmp_path / "parts")
    second.load()
    run(second, save=1, every=2)
    assert second.step == 4
    for name, value in whole.model.state_dict().items():
        assert np.isfinite(value.numpy()).all()
        assert torch.equal(value, second.model.state_dict()[name])
    with pytest.raises(ValueError, match="other hyperparameters"):
        Run(Tuning(**SETTINGS | {"seed": 4}), corpus(), FOLDER, tmp_path).load()


def test_pimsim_reads_the_ternary_weights_of_an_exported_run(tmp_path: Path) -> None:
    from tools.training.packing import write
    from tools.training.train import alphabet_of

    run_of = Run(Tuning(**SETTINGS), corpus(), FOLDER, tmp_path)
    run_of.advance()
    write(run_of.model, None, alphabet_of(corpus()), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    network = load_network(tmp_path / "out").network
    for site, layer in projections(run_of.model).items():
        weights = network.layers[site.layer].projections[site.role]
        assert np.array_equal(weights.values, codes(layer).T)
        assert weights.scale_of(0) == near(absmean(layer.weight).item())


def test_configs_without_a_model_of_errors_are_refused() -> None:
    with pytest.raises(ValueError, match="no crossbars"):
        array_params("tpu-llm", ())
    with pytest.raises(ValueError, match="output_bits"):
        array_params("pim-llm", ("machine.crossbar.output_bits=8",))
    with pytest.raises(ValueError, match="matrix_precision"):
        array_params("pim-llm", ("mapping.matrix_precision.q=systolic",))
