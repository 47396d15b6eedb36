"""Which processes train together: what launchers say is taken, what contradicts them is refused."""

from __future__ import annotations

import pytest
import torch

from models.errors import UserError
from models.training.devices import launched_processes, make_fabric

SLURM = {"SLURM_NTASKS": "16", "SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "8", "SLURM_JOB_NAME": "train"}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "12"}


def test_without_a_launcher_there_is_one_process() -> None:
    assert launched_processes() is None
    fabric = make_fabric()
    assert (fabric.world_size, fabric.device.type) == (1, "cpu")


@pytest.mark.parametrize(("environment", "expected"), [(SLURM, (8, 2)), (TORCHRUN, (4, 3))])
def test_a_launcher_says_how_many_there_are(
    environment: dict[str, str], expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launched_processes() == expected
    with pytest.raises(UserError, match=f"--devices 3 was given, but the launcher started {expected[0]}: leave"):
        make_fabric(devices=3)
    with pytest.raises(UserError, match="--num-nodes 5 was given"):
        make_fabric(num_nodes=5)


def test_an_interactive_job_of_slurm_starts_its_own_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SLURM, "SLURM_JOB_NAME": "interactive"}.items():
        monkeypatch.setenv(name, value)
    assert launched_processes() is None


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="no device 'tpu' for training here"):
        make_fabric(device="tpu")
    with pytest.raises(UserError, match=r"cuda:1 is one device|no device 'cuda'"):
        make_fabric(device="cuda:1", devices=2)
    with pytest.raises(UserError, match="fsdp knows no loss scale"):
        make_fabric(devices=2, strategy="fsdp", precision="fp16")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_precision_is_that_of_products_and_not_of_weights(precision: str) -> None:
    fabric = make_fabric(precision=precision)
    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    with fabric.autocast():
        layer = torch.nn.Linear(2, 2)
        assert layer.weight.dtype == torch.float32
        assert layer(torch.ones(1, 2)).dtype == kinds[precision]
