"""What the settings for a CPU change, each seen in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from models.inference.cpu import available_cores


def run(code: str, *arguments: str, **environment: str) -> list[str]:
    """Run code in a fresh process and return the words that it prints."""
    root = Path(__file__).parents[3]
    made = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=root,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.split()


def test_numbers_too_small_for_a_processor_become_zero_and_others_stay() -> None:
    code = """
import torch
from models.inference.cpu import tune_cpu
small, least = torch.full((4096,), 1e-39), torch.full((4096,), 2e-38)
before = (small * 1).count_nonzero().item()
settings = tune_cpu()
print(before, settings.denormals, (small * 1).count_nonzero().item(), (least * 1).eq(least).sum().item())
"""
    assert run(code) == ["4096", "True", "0", "4096"]


def test_threads_that_start_later_flush_as_well() -> None:
    code = """
from models.inference.cpu import tune_cpu
tune_cpu()
import torch
torch.set_num_threads(4)
print((torch.full((2**22,), 1e-39) * 1).count_nonzero().item())
"""
    assert run(code) == ["0"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc can be told to keep its buffers")
def test_freed_buffers_stay_with_the_process_and_very_large_ones_do_not() -> None:
    def held_after_freeing(megabytes: int, *, kept: bool) -> float:
        """Return the share of a freed buffer that the process still holds."""
        before = "from models.inference.cpu import keep_buffers\nassert keep_buffers()\n" if kept else ""
        code = f"""
import torch
def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))
size = {megabytes} * 2**20
torch.ones(4).add(1)
before = resident()
buffer = torch.ones(size // 4)
full = resident()
del buffer
print((resident() - before) / (full - before))
"""
        return float(run(before + code)[-1])

    assert held_after_freeing(128, kept=False) < 0.1
    assert held_after_freeing(128, kept=True) > 0.9
    assert held_after_freeing(512, kept=True) < 0.1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc can be told to keep its buffers")
def test_kept_buffers_do_not_hide_what_a_network_takes() -> None:
    code = """
import numpy, torch
from models.inference.cpu import keep_buffers
from models.inference.memory import bytes_per_pixel
assert keep_buffers()
def network(image):
    pixels = image.shape[2] * image.shape[3]
    scratch = [numpy.ones(10 * pixels) for _ in range(5)]  # 400 bytes a pixel
    return image + float(sum(map(numpy.sum, scratch)))
for _ in range(3):
    print(bytes_per_pixel(network, side=256, batch=1, device=torch.device("cpu")))
"""
    assert [float(line) / 400 for line in run(code)] == pytest.approx([1.25] * 3, rel=0.15)


def test_numbers_do_not_change() -> None:
    code = """
import sys, torch
from models.inference.cpu import tune_cpu
if sys.argv[1] == "tuned":
    tune_cpu()
torch.set_num_threads(1)
torch.manual_seed(0)
network = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3), torch.nn.GELU(), torch.nn.Conv2d(16, 3, 3))
print(*network(torch.rand(1, 3, 24, 24)).flatten()[:50].tolist())
"""
    assert run(code, "tuned") == run(code, "plain")


@pytest.mark.parametrize(("environment", "at_most"), [({}, available_cores()), ({"OMP_NUM_THREADS": "1"}, 1)])
def test_there_is_a_thread_a_core_or_as_many_as_asked_for(environment: dict[str, str], at_most: int) -> None:
    threads = int(run("from models.inference.cpu import tune_cpu\nprint(tune_cpu().threads)", **environment)[0])
    assert 1 <= threads <= at_most


def test_commands_that_run_networks_are_tuned_and_help_is_not() -> None:
    code = """
import sys
from benchmark.cli import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    assert stop.code == (0 if "--help" in sys.argv else 2)
if "torch" in sys.modules:
    import torch
    print("flushed", (torch.full((8,), 1e-39) * 1).count_nonzero().item())
else:
    print("untouched")
"""
    assert run(code, "restore", "missing.png", "out.png", "--network", "nafnet")[-2:] == ["flushed", "0"]
    assert run(code, "restore", "--help")[-1] == "untouched"
