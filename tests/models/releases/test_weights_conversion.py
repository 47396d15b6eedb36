"""The authors' checkpoints to our files and back: nothing lost, nothing run, everything said."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from authors_files import PUBLISHED_HEADS, trained_daclip, write_training_checkpoint

from models.daclip.build import load_daclip
from models.daclip.skeleton import skeleton
from models.errors import UserError
from models.files import sha256_file
from models.networks.build import build
from models.releases.convert import convert
from models.releases.describe import describe
from models.releases.export import export
from models.releases.official import OFFICIAL, by_digest, official_defaults
from models.releases.recognise import recognise
from models.weights.metadata import read_metadata
from models.weights.opened import load_state

UNETS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("ir-sde", {"width": 8, "multipliers": (2, 4)}),
    "universal": ("ir-sde-daclip", {"width": 32, "multipliers": (1, 2), "content_dim": 24, "degradation_dim": 24}),
    "single task": ("ir-sde-daclip", {"width": 32, "multipliers": (1, 2), "content_dim": 24, "degradation_dim": None}),
    "wild": ("wild-ir", {"width": 32, "multipliers": (1, 2), "content_dim": 24}),
}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return list(first) == list(second) and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_daclip_survives_conversion_and_export(prefix: str, tmp_path: Path) -> None:
    daclip, optimizer = trained_daclip(PUBLISHED_HEADS)
    source = write_training_checkpoint(tmp_path / "daclip.pt", daclip, optimizer, prefix=prefix)
    done = convert(source, tmp_path / "daclip.safetensors")
    state = daclip.state_dict()
    assert same(load_daclip(done_path := tmp_path / "daclip.safetensors").state_dict(), state)
    assert same(load_daclip(source).state_dict(), state)
    assert done.kept == 4 * sum(p.numel() for p in daclip.parameters())
    assert done.written < done.kept + 60_000
    assert export(done_path, tmp_path / "back.pt").keys() == state.keys()
    back = torch.load(tmp_path / "back.pt", weights_only=True)
    assert type(back) is OrderedDict
    assert same(back, state)
    # One tensor under two names takes the room of one.
    assert (tmp_path / "back.pt").stat().st_size < done.kept + 200_000


def test_provenance_says_what_was_left_out(tmp_path: Path) -> None:
    daclip, optimizer = trained_daclip(PUBLISHED_HEADS)
    source = write_training_checkpoint(tmp_path / "run.pt", daclip, optimizer)
    convert(source, tmp_path / "run.safetensors")
    metadata = read_metadata(tmp_path / "run.safetensors")
    origin = metadata["source"]
    assert (origin["file"], origin["sha256"], origin["bytes"]) == ("run.pt", sha256_file(source), source.stat().st_size)
    assert origin["facts"] == {"epoch": 50, "name": "daclip_ViT-B-32_b784x4"}
    assert origin["official"] is None
    moments = 8 * sum(p.numel() for p in daclip.parameters() if p.requires_grad)
    steps = 4 * sum(1 for p in daclip.parameters() if p.requires_grad)
    assert origin["dropped"]["optimizer"]["bytes"] == moments + steps
    tower = [value for key, value in daclip.state_dict().items() if key.startswith("visual.")]
    assert origin["dropped"]["visual.*"] == {"tensors": len(tower), "bytes": 4 * sum(v.numel() for v in tower)}
    assert metadata["step"] == 50
    assert metadata["arch"]["clip"]["vision_cfg"]["patch_size"] == 16


@pytest.mark.parametrize("kind", UNETS)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_unet_survives_conversion_and_export_and_brings_its_settings(kind: str, prefix: str, tmp_path: Path) -> None:
    name, arch = UNETS[kind]
    torch.manual_seed(0)
    state = build(name, arch).state_dict()
    torch.save(OrderedDict((prefix + key, value) for key, value in state.items()), tmp_path / "net.pth")
    convert(tmp_path / "net.pth", tmp_path / "net.safetensors")
    metadata = read_metadata(tmp_path / "net.safetensors")
    assert metadata["network"] == name
    assert all(metadata["arch"][key] == (list(v) if isinstance(v, tuple) else v) for key, v in arch.items())
    noise, sampler = (10.0, "sde") if kind == "plain" else (50.0, "posterior")
    assert metadata["sde"] == {"steps": 100, "max_sigma": noise, "schedule": "cosine", "eps": 0.005}
    assert (metadata["sampler"], metadata["nfe"]) == (sampler, 100)
    raw = official_defaults(tmp_path / "net.pth")
    assert raw is not None
    assert {key: metadata[key] for key in raw} == json.loads(json.dumps(raw))
    export(tmp_path / "net.safetensors", tmp_path / "back.pth")
    assert same(torch.load(tmp_path / "back.pth", weights_only=True), state)


@pytest.mark.parametrize(
    ("golden", "network"),
    [
        ("daclip_universal_unet", "ir-sde-daclip"),
        ("daclip_wild_unet", "wild-ir"),
        ("irsde_unet", "ir-sde"),
        ("irsde_unet_nf32_d5", "ir-sde"),
        ("daclip_vit_b_32", "daclip"),
        ("daclip_vit_l_14", "daclip"),
        ("restormer_biasfree", "restormer"),
        ("refusion_nafnet_w64", "refusion"),
    ],
)
def test_published_names_are_recognised_and_written_in_their_order(
    golden: str, network: str | None, shared: Path
) -> None:
    keys = json.loads((shared / "parity" / "golden" / golden / "keys.json").read_text())["keys"]
    layout = recognise({name: torch.empty(shape, device="meta") for name, shape, _ in keys})
    assert (layout and layout.network) == network
    if layout is not None:
        module = skeleton(layout.network, layout.arch, tensors=len(keys))
        assert [[key, list(value.shape)] for key, value in module.state_dict().items()] == [k[:2] for k in keys]


def test_a_converted_network_finds_the_daclip_named_for_it(tmp_path: Path) -> None:
    daclip, optimizer = trained_daclip(PUBLISHED_HEADS)
    write_training_checkpoint(tmp_path / "daclip.pt", daclip, optimizer)
    convert(tmp_path / "daclip.pt", tmp_path / "daclip.safetensors")
    name, arch = UNETS["universal"]
    torch.save(build(name, arch).state_dict(), tmp_path / "net.pth")
    out = tmp_path / "sub" / "net.safetensors"
    convert(tmp_path / "net.pth", out, daclip=tmp_path / "daclip.safetensors", max_sigma=30.0)
    metadata = read_metadata(out)
    digest = sha256_file(tmp_path / "daclip.safetensors")
    assert metadata["daclip"] == {"file": "../daclip.safetensors", "sha256": digest}
    assert metadata["sde"]["max_sigma"] == 30
    with pytest.raises(UserError, match="listens to no DA-CLIP"):
        convert(tmp_path / "daclip.pt", tmp_path / "x.safetensors", daclip=out)
    with pytest.raises(UserError, match="no noise level"):
        convert(tmp_path / "daclip.pt", tmp_path / "x.safetensors", max_sigma=1)


def test_converting_again_changes_nothing_and_overwrites_nothing(tmp_path: Path) -> None:
    name, arch = UNETS["plain"]
    for file in ("a", "b"):
        torch.save(build(name, arch).state_dict(), tmp_path / f"{file}.pth")
    out = tmp_path / "a.safetensors"
    assert not convert(tmp_path / "a.pth", out).repeated
    before = out.read_bytes()
    assert convert(tmp_path / "a.pth", out).repeated
    with pytest.raises(UserError, match="another file"):
        convert(tmp_path / "b.pth", out)
    assert out.read_bytes() == before
    out.unlink()
    convert(tmp_path / "a.pth", out)
    assert out.read_bytes() == before
    export(out, tmp_path / "x.pth")
    export(out, tmp_path / "y.pth")
    assert (tmp_path / "x.pth").read_bytes() == (tmp_path / "y.pth").read_bytes()
    export(out, tmp_path / "x.pth")
    (tmp_path / "x.pth").write_bytes(b"others")
    with pytest.raises(UserError, match="is there already and is another file"):
        export(out, tmp_path / "x.pth")
    assert (tmp_path / "x.pth").read_bytes() == b"others"
    with pytest.raises(UserError, match="one of our files already"):
        convert(out, tmp_path / "again.safetensors")


def test_files_that_cannot_be_converted_are_refused_in_one_sentence(tmp_path: Path) -> None:
    name, arch = UNETS["plain"]
    state = build(name, arch).state_dict()
    torch.save(state, tmp_path / "net.pth")
    torch.save({"layer.weight": torch.ones(2)}, tmp_path / "other.pth")
    torch.save({key: value for key, value in state.items() if key != "final_conv.bias"}, tmp_path / "less.pth")
    torch.save({**state, "more": torch.ones(1)}, tmp_path / "more.pth")
    daclip, _ = trained_daclip(PUBLISHED_HEADS)
    torn = {key: value.clone() for key, value in daclip.state_dict().items()}
    torn["visual.proj"] += 1
    torch.save(torn, tmp_path / "torn.pth")
    out = tmp_path / "out.safetensors"
    for source, target, message in (
        ("net.pth", tmp_path / "out.pth", r"must end in \.safetensors"),
        ("other.pth", out, r"no network that can be converted .*layer\.weight"),
        ("less.pth", out, r"1 missing \(final_conv\.bias\)"),
        ("more.pth", out, r"1 unexpected \(more\)"),
        ("torn.pth", out, r"two different image towers \(at visual\.proj\)"),
        ("absent.pth", out, "weights not found"),
    ):
        with pytest.raises(UserError, match=message):
            convert(tmp_path / source, target)
    with pytest.raises(UserError, match=r"must end in \.pth or \.pt"):
        export(tmp_path / "net.pth", out)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".safetensors" or "partial" in path.name]


@pytest.mark.parametrize("what", ["convert", "export"])
def test_a_full_disk_leaves_nothing_half_written(what: str, tmp_path: Path) -> None:
    name, arch = UNETS["universal"]
    torch.save(build(name, arch).state_dict(), tmp_path / "net.pth")
    out = tmp_path / ("out.safetensors" if what == "convert" else "out.pth")
    # The limit on the size of a file makes writing fail as a full disk does, at a place of our choosing.
    code = f"""
import resource, signal
from benchmark.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
main(["weights", {what!r}, {str(tmp_path / "net.pth")!r}, {str(out)!r}])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["net.pth"]


def test_released_files_have_whole_digests_and_are_known_by_them() -> None:
    for file in OFFICIAL:
        if file.sha256:
            assert len(file.sha256) == 64
            assert int(file.sha256, 16) > 0
            assert by_digest(file.sha256) is file
    assert by_digest("0" * 64) is None
    assert all(file.daclip is None or any(f.name == file.daclip for f in OFFICIAL) for file in OFFICIAL)


def test_a_description_counts_parameters_once(tmp_path: Path) -> None:
    daclip, optimizer = trained_daclip(PUBLISHED_HEADS)
    source = write_training_checkpoint(tmp_path / "daclip.pt", daclip, optimizer)
    found = describe(source)
    assert found.parameters == sum(p.numel() for p in daclip.parameters())
    assert found.dtypes == {"float32": len(daclip.state_dict())}
    assert list(found.groups) == ["logit_scale", "clip", "visual", "visual_control"]
    assert (found.checkpoint.nesting, found.checkpoint.prefixed, found.official) == ("state_dict", True, None)
    assert found.metadata["task"] == "daclip"
    assert not found.ours
    convert(source, tmp_path / "daclip.safetensors")
    ours = describe(tmp_path / "daclip.safetensors")
    assert ours.ours
    assert ours.parameters == found.parameters
    assert len(load_state(tmp_path / "daclip.safetensors")) < len(load_state(source))


# What the libraries take by themselves differs between machines, so it is subtracted.
MEMORY = """
import sys
from pathlib import Path
from models.releases.convert import convert
from models.inference.peak import forget_peak, peak_memory
import open_clip
forget_peak()
before = peak_memory()
done = convert(Path(sys.argv[1]), Path(sys.argv[2]))
print(peak_memory() - before, done.kept)
"""


@pytest.mark.slow
def test_a_checkpoint_of_the_published_size_is_converted_within_the_memory_of_its_tensors(tmp_path: Path) -> None:
    daclip, optimizer = trained_daclip("ViT-B-32")
    source = write_training_checkpoint(tmp_path / "daclip_ViT-B-32.pt", daclip, optimizer)
    assert abs(source.stat().st_size / 1.744e9 - 1) < 0.01
    out = tmp_path / "daclip.safetensors"
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(source), str(out)], capture_output=True, text=True, check=True
    )
    peak, kept = (int(word) for word in done.stdout.split())
    assert kept == 4 * 246_213_634
    assert peak < kept + 0.2e9
    assert same(load_daclip(out).state_dict(), daclip.state_dict())
    export(out, tmp_path / "back.pt")
    back = torch.load(tmp_path / "back.pt", weights_only=True, mmap=True)
    assert len(back) == 631
    assert same(back, daclip.state_dict())
