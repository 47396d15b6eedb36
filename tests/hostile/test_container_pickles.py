"""Pickles that want to be more than data, in every container that the program reads pickles from."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from container_trials import entry, refused_or_data, script_zip, tensor, torch_stream, torch_zip
from hostile_pickles import pickles
from trials import Canary, Tally, counts

from benchmark.downloads.find import load_state
from benchmark.downloads.layouts import alexnet
from benchmark.downloads.pickles import read_arrays, read_script
from captioning.captioners.stored_weights import check_files
from models.errors import UserError
from models.weights.reading import read_checkpoint


def _tar(pickled: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            info = tarfile.TarInfo(name)
            info.size = len(pickled)
            archive.addfile(info, io.BytesIO(pickled))
    return buffer.getvalue()


def _captioner(path: Path) -> None:
    (path.parent / "config.json").write_text(json.dumps({"model_type": "blip"}))
    check_files(path.parent)


# The suffix of a container, what is around the pickle, and who reads it.
CONTAINERS: dict[str, tuple[str, Callable[[bytes], bytes], Callable[[Path], Any]]] = {
    "zip of torch": ("net.pt", torch_zip, read_checkpoint),
    "stream of torch": ("net.pth", torch_stream, read_checkpoint),
    "plain pickle": ("net.ckpt", bytes, read_checkpoint),
    "tar of torch": ("net.tar", _tar, read_checkpoint),
    "weights of a captioner": ("pytorch_model.bin", torch_zip, _captioner),
    "weights of a metric": ("vgg-12345678.pth", torch_stream, load_state),
    "pickle of arrays": ("alexnet.ckpt", bytes, read_arrays),
    "TorchScript": ("net.script", script_zip, read_script),
}


@pytest.mark.parametrize("container", CONTAINERS)
@counts(25, 1000)
def test_pickles_are_data_or_are_refused(
    container: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = Canary(tmp_path / "elsewhere")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    name, wrap, read = CONTAINERS[container]
    (tmp_path / "files").mkdir()
    path = tmp_path / "files" / name
    every = list(pickles())
    with Tally(f"hostile pickles: {container}") as tally:
        for case, pickled in every[:: max(1, len(every) // count)]:
            path.write_bytes(wrap(pickled))
            # A call is never data, wherever it lies.
            refused_or_data(tally, case, lambda: read(path), path, refused=case.startswith("call of"))
            tally.case(f"{case}: canary", not canary.alive and "canary" not in sys.modules, "the canary lives")
            canary.mark.unlink(missing_ok=True)


def test_there_are_more_than_eighty_and_a_clean_one_is_read(tmp_path: Path) -> None:
    assert len({name for name, _ in pickles()}) == len(list(pickles())) > 130
    (tmp_path / "net.pt").write_bytes(torch_zip(entry(tensor())))
    assert read_checkpoint(tmp_path / "net.pt").state["w"].tolist() == [0, 1, 2, 3]


def test_arrays_of_a_package_that_are_no_layers_are_refused(tmp_path: Path) -> None:
    for content in (entry(b"]", key="AlexNet_0"), entry(b"}" + b"X\x06\x00\x00\x00Conv_0" + b"]s", key="AlexNet_0")):
        (tmp_path / "alexnet.ckpt").write_bytes(content)
        with pytest.raises(UserError, match="does not hold the convolution AlexNet_0/Conv_0"):
            alexnet(tmp_path / "alexnet.ckpt")
