"""What is particular to MAXIM: its mixing layers, its names, the files it comes in, and its padding."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_models import ARCHS, shake
from torch import Tensor, nn

from models.errors import UserError
from models.inference.restore import restore
from models.inference.restorer import Restorer
from models.networks.maxim.joining import join, resize
from models.networks.maxim.mixing import MultiAxisGmlp, mix, split
from models.networks.maxim.names import published_name
from models.networks.maxim.network import MAXIM
from models.networks.padding import Padding, pad
from models.weights.formats.flax_npz import is_npz, read_npz
from models.weights.formats.tfjs import is_tfjs, read_tfjs

SMALL: dict[str, Any] = ARCHS["maxim"]
OTHER = {**SMALL, "stages": 3, "groups": 2, "bottlenecks": 2, "reduction": 2, "depth": 3, "fine_levels": 2}


def network(arch: dict[str, Any] = SMALL) -> MAXIM:
    torch.manual_seed(0)
    made = MAXIM(**arch)
    shake(made)
    return made.eval()


def flax_arrays(made: MAXIM) -> dict[str, np.ndarray]:
    """The weights by path and in the layout of the release, from the facts about both frameworks."""
    arrays = {}
    for key, value in made.state_dict().items():
        *parts, last = published_name(key, depth=made.depth).split(".")
        array = value.numpy()
        kind = last if last == "bias" else "kernel" if array.ndim > 1 else "scale"
        if array.ndim == 4 and parts[-1] == "ConvTranspose_0":
            array = array.transpose(2, 3, 0, 1)[::-1, ::-1]
        elif array.ndim == 4:
            array = array.transpose(2, 3, 1, 0)
        elif array.ndim == 2:
            array = array.T
        arrays["/".join([*parts, kind])] = np.ascontiguousarray(array)
    return arrays


def write_graph(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    """Write a graph model as the converter does: constants without names, called by what takes them."""
    folder.mkdir()
    nodes, weights, data = [], [], b""
    for number, (path, array) in enumerate(arrays.items()):
        module, kind = path.rsplit("/", 1)
        operation, ending = {"bias": ("AddV2", "jit_fn_/AddV2"), "scale": ("Mul", "jit_fn_/Mul_4")}.get(
            kind, ("Einsum", "einsum/Einsum") if array.ndim == 2 else ("Conv2D", "Conv2D")
        )
        if module.endswith("ConvTranspose_0") and kind == "kernel":
            operation, ending = "Conv2DBackpropInput", "conv2d_transpose"
            array = np.ascontiguousarray(array[::-1, ::-1].swapaxes(2, 3))
        array = array.reshape(1, 1, 1, -1) if array.ndim == 1 else array
        name = f"StatefulPartitionedCall/Const_{number}"
        nodes.append(
            {"op": operation, "name": f"Call/jax2tf_apply_/Wrapper/backbone/{module}/{ending}", "input": ["x", name]}
        )
        weights.append({"name": name, "shape": list(array.shape), "dtype": "float32"})
        data += array.astype("<f4").tobytes()
        # What formulas need lies in between: sizes, and numbers without dimensions.
        weights.append({"name": f"{name}/size", "shape": [4], "dtype": "int32"})
        data += b"\0" * 16
    half = len(data) // 2
    shards = {"group1-shard1of2.bin": data[:half], "group1-shard2of2.bin": data[half:]}
    for shard, content in shards.items():
        (folder / shard).write_bytes(content)
    content = {
        "format": "graph-model",
        "modelTopology": {"node": nodes},
        "weightsManifest": [{"paths": list(shards), "weights": weights}],
    }
    (folder / "model.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("axis", ["grid", "block"])
def test_mixing_is_a_linear_layer_over_the_tokens_of_an_axis(axis: Any) -> None:
    x, weight, bias = torch.randn(2, 6, 9, 4), torch.randn(9, 9), torch.randn(9)
    mixed = mix(split(x, axis, 3), axis, weight, bias).reshape(x.shape)
    # Blocks are 3 x 3 pixels; the grid has 3 x 3 cells of 2 x 3 pixels.
    rows, columns = (2, 3) if axis == "grid" else (1, 1)
    places = [(i * rows, j * columns) for i in range(3) for j in range(3)]
    for top, left in [(0, 0), (1, 2)] if axis == "grid" else [(0, 0), (3, 6)]:
        tokens = torch.stack([x[:, top + i, left + j] for i, j in places])
        expected = torch.einsum("pq,qbc->pbc", weight, tokens) + bias[:, None, None]
        found = torch.stack([mixed[:, top + i, left + j] for i, j in places])
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_map_in_pieces_gives_what_it_gives_whole() -> None:
    layer = shake(MultiAxisGmlp(8, size=4))
    x = torch.rand(1, 256, 512, 8)
    with torch.no_grad():
        pieces = layer(x)
    torch.testing.assert_close(pieces, layer(x).detach(), atol=1e-5, rtol=1e-5)


def test_joined_maps_equal_their_concatenation() -> None:
    same, wide, deep = torch.rand(2, 8, 12, 3), torch.rand(2, 16, 24, 2), torch.rand(2, 4, 6, 5)
    conv, first, second = nn.Conv2d(3 + 4 + 4, 6, 1), nn.Conv2d(2, 4, 1), nn.Conv2d(5, 4, 1)

    def plain(layer: nn.Conv2d, x: Tensor) -> Tensor:
        return layer(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    parts = [same, plain(first, resize(wide, 8, 12)), plain(second, resize(deep, 8, 12))]
    joined = join(conv, [same], [(first, wide), (second, deep)], like=same)
    torch.testing.assert_close(joined, plain(conv, torch.cat(parts, dim=3)), atol=1e-5, rtol=1e-5)


def test_training_sees_all_stages_on_all_scales_and_the_result_last() -> None:
    made, images = network(OTHER), torch.rand(1, 3, 32, 16)
    predictions = made.predictions(images)
    assert [tuple(p.shape[2:]) for p in predictions] == 3 * [(8, 4), (16, 8), (32, 16)]
    torch.testing.assert_close(predictions[-1], made(images))
    sum(p.square().mean() for p in predictions).backward()  # pyright: ignore[reportAttributeAccessIssue]
    assert not [k for k, p in made.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    smaller = [F.interpolate(images, p.shape[2:], mode="nearest-exact") for p in predictions]
    for untrained, image in zip(MAXIM(**OTHER).predictions(images), smaller, strict=True):
        assert torch.equal(untrained, image)


@torch.no_grad()
def test_sizes_that_the_blocks_do_not_divide_are_refused_and_padded_by_restore() -> None:
    made = network()
    with pytest.raises(ValueError, match="multiples of 8"):
        made(torch.rand(1, 3, 12, 16))
    image = torch.rand(3, 13, 27)
    padded = np.pad(image.numpy(), ((0, 0), (0, 1), (0, 1)), mode="reflect")
    padded = np.pad(padded, ((0, 0), (1, 1), (2, 2)), mode="reflect")
    expected = made(torch.from_numpy(padded)[None])[0, :, 1:14, 2:29]
    torch.testing.assert_close(restore(Restorer(name="maxim", network=made).eval(), image), expected)


@pytest.mark.parametrize(("height", "width"), [(51, 70), (64, 128), (63, 65), (20, 7), (2, 3), (300, 1)])
def test_even_padding_is_that_of_numpy_in_two_steps(height: int, width: int) -> None:
    image = torch.rand(1, 2, height, width)
    padded, top, left = pad(image, Padding(multiple_of=64, sides="even"))
    expected = image.numpy()
    for odd in (True, False):
        sizes = [(0, s % 2) if odd else ((-s % 64) // 2,) * 2 for s in expected.shape[2:]]
        # numpy's reflection of a single row is that row.
        expected = np.pad(expected, [(0, 0), (0, 0), *sizes], mode="reflect")
    assert np.array_equal(padded.numpy(), expected)
    assert torch.equal(padded[..., top : top + height, left : left + width], image)


@pytest.mark.parametrize("arch", [SMALL, OTHER, {**SMALL, "coarse_block": 4, "fine_levels": 2}])
def test_the_architecture_is_read_off_the_keys_of_either_layout(arch: dict[str, Any]) -> None:
    made = network(arch)
    release = {key: torch.from_numpy(array) for key, array in flax_arrays(made).items()}
    for state in (made.state_dict(), release):
        assert MAXIM.infer_arch(state) == {"stages": 2, "reduction": 4, **arch}
    with pytest.raises(UserError, match="not the weights of a MAXIM"):
        MAXIM.infer_arch({"intro.weight": torch.zeros(1)})


def test_a_flax_checkpoint_is_read_without_its_optimiser(tmp_path: Path) -> None:
    made, path = network(OTHER), tmp_path / "checkpoint.npz"
    arrays = flax_arrays(made)
    targets = {f"opt/target/{key}": array for key, array in arrays.items()}
    np.savez(path, **targets, **{"opt/state/step": np.int32(7)})  # pyright: ignore[reportArgumentType]
    assert is_npz(path)
    state = MAXIM.published_state(read_npz(path))
    own = made.state_dict()
    assert state.keys() == own.keys()
    assert all(torch.equal(state[key], own[key]) for key in own)
    assert MAXIM.published_state(own).keys() == own.keys()
    path.write_bytes(path.read_bytes()[:-2000])
    assert not is_npz(path)
    np.savez(path, x=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="something else than arrays"):
        read_npz(path)


@pytest.mark.parametrize("form", ["folder", "model.json", "package"])
def test_a_graph_model_is_read_from_each_of_its_forms(form: str, tmp_path: Path) -> None:
    made = network()
    arrays = {key: array for key, array in flax_arrays(made).items() if "stage_1_output_conv_1" not in key}
    path = write_graph(tmp_path / "models", arrays)
    if form == "model.json":
        path = path / "model.json"
    if form == "package":
        with tarfile.open(tmp_path / "maxim.tgz", "w:gz") as archive:
            archive.add(path, "package/models")
        path = tmp_path / "maxim.tgz"
    assert is_tfjs(path)
    loaded = MAXIM(**SMALL)
    loaded.load_state_dict(MAXIM.published_state(read_tfjs(path)))
    images = torch.rand(1, 3, 16, 24)
    with torch.no_grad():
        assert torch.equal(loaded(images), made(images))


def test_a_damaged_graph_model_is_refused_in_one_sentence(tmp_path: Path) -> None:
    whole = write_graph(tmp_path / "whole", flax_arrays(network()))

    def refused(message: str, change: Any) -> None:
        folder = tmp_path / "copy"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        change(folder)
        with pytest.raises(UserError, match=message) as caught:
            read_tfjs(folder)
        assert "\n" not in str(caught.value)

    def rewrite(old: str, new: str) -> Any:
        return lambda folder: (folder / "model.json").write_text((whole / "model.json").read_text().replace(old, new))

    refused("needs group1-shard2of2.bin", lambda folder: (folder / "group1-shard2of2.bin").unlink())
    refused("but its weights take", lambda folder: (folder / "group1-shard1of2.bin").write_bytes(b"1234"))
    refused("not a whole graph model", lambda folder: (folder / "model.json").write_text('{"format": "graph-model"'))
    refused("reduced precision", rewrite('"float32"', '"float16"'))
    refused("not one that was converted from a Flax network", rewrite('"op": "', '"op": "My'))
    package = tmp_path / "cut.tgz"
    with tarfile.open(package, "w:gz") as archive:
        archive.add(whole, "package/models")
    package.write_bytes(package.read_bytes()[:5000])
    with pytest.raises(UserError, match="download it again"):
        read_tfjs(package)


@torch.no_grad()
@pytest.mark.parametrize(("name", "stages"), [("maxim_s2", 2), ("maxim_s3", 3)])
def test_the_pipeline_of_the_authors_gives_their_picture(
    name: str, stages: int, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(shared / "parity"))
    import fill  # pyright: ignore[reportMissingImports]

    folder = shared / "parity" / "golden" / name
    gain = json.loads((folder / "meta.json").read_text())["fill_gain"]
    golden = np.load(folder / "golden.npz")
    made = MAXIM(stages=stages)
    for key, tensor in made.state_dict().items():
        value = torch.from_numpy(np.array(fill.value(published_name(key), tuple(tensor.shape))))
        tensor.copy_(value * gain if tensor.ndim > 1 else value)
    image = torch.from_numpy(golden["pipe_in"].astype(np.float32) / 255).permute(2, 0, 1)
    restored = restore(Restorer(name="maxim", network=made).eval(), image)
    written = (restored.clamp(0, 1) * 255).numpy().astype(np.uint8).transpose(1, 2, 0)
    difference = np.abs(written.astype(int) - golden["pipe_out"])
    # Truncation turns a rounding error at a whole number into a step of one.
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
