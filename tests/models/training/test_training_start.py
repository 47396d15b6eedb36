"""Starting from weights that exist: all of them, those that fit, and never silently."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from training_runs import run, tiny_recipe

from models.errors import UserError
from models.networks.build import build
from models.training.callbacks import Callbacks
from models.training.start import start_from
from models.weights.metadata import read_metadata
from models.weights.opened import load_state
from models.weights.saving import save_weights

WIDE = {"width": 8, "encoder_blocks": (1, 2), "middle_blocks": 1, "decoder_blocks": (1, 1)}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Write a NAFNet's weights."""
    torch.manual_seed(5)
    path = tmp_path / "given" / "weights.safetensors"
    save_weights(path, build("nafnet", WIDE).state_dict(), {})
    return path


def test_a_run_starts_from_given_weights(weights: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe("nafnet", "optimizer={kind: sgd, lr: 1.0e-9}", steps=1)
    said: list[str] = []
    run(recipe, tmp_path / "run", init=weights.parent, callbacks=Callbacks(say=said.append))
    given, found = load_state(weights), load_state(tmp_path / "run" / "weights.safetensors")
    for key, value in given.items():
        torch.testing.assert_close(found[key], value, atol=1e-6, rtol=0, msg=key)
    assert said == [f"started from {weights}: all {len(given)} tensors"]
    assert len(read_metadata(tmp_path / "run" / "weights.safetensors")["dataset"]["init_sha256"]) == 64
    with pytest.raises(UserError, match=r"holds another run .dataset init_sha256"):
        run(recipe, tmp_path / "run")


def test_what_does_not_fit_is_refused_or_told(weights: Path) -> None:
    other = build("nafnet", {**WIDE, "middle_blocks": 2})
    state = {**load_state(weights), "head.weight": torch.zeros(3), "intro.bias": torch.zeros(9)}
    save_weights(weights, state, {})
    with pytest.raises(UserError, match=r"do not fit NAFNet.*add --partial to start from those that do"):
        start_from(other, weights, partial=False)
    before = {key: value.clone() for key, value in other.state_dict().items()}
    count, missing, unexpected, reshaped = start_from(other, weights, partial=True)
    after = other.state_dict()
    fresh = [key for key in after if torch.equal(after[key], before[key]) and key not in state]
    total = len(after)
    new = [key for key in after if key.startswith("middle_blks.1.")]
    assert new
    assert count == f"started from {weights}: {total - len(new) - 1} of the network's {total} tensors"
    assert missing.startswith(f"{len(new)} not in the file, so freshly initialised: middle_blks.1.")
    assert set(fresh) == set(new)
    assert unexpected == "1 of the file not used: head.weight"
    assert reshaped == "1 of another shape, so freshly initialised: intro.bias (9,) instead of (8,)"
    assert torch.equal(after["intro.weight"], state["intro.weight"])


def test_weights_of_which_nothing_fits_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_weights(path, {"a": torch.zeros(2)}, {})
    with pytest.raises(UserError, match=r"none of the 1 tensors of .* fits a NAFNet"):
        start_from(build("nafnet", WIDE), path, partial=True)
