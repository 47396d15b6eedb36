"""A network's names, order and shapes without memory for its weights, built as far as a file's tensors warrant."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as registration

from models.errors import UserError
from models.networks import NETWORKS
from models.networks.build import build

LARGEST = 1_000_000
"""No number in the architecture of any network is larger."""
PARTS_A_TENSOR, PARTS_AT_LEAST = 20, 2_000
"""Parts (modules, parameters, buffers) that a network may have for each tensor in its file, and in any case."""


def skeleton(network: str, arch: Mapping[str, Any], *, tensors: int) -> nn.Module:
    """Return the module of a network of the catalogue, or of a DA-CLIP, on the device "meta".

    Arguments:
        network: A name of the catalogue, or "daclip"; never one from outside.
        arch: Constructor arguments, which may come from a file; `{"clip": configuration}` for a DA-CLIP.
        tensors: How many tensors there are to fill it; what would become far larger is not built.

    Raises:
        UserError: The network cannot be built so, or it has far more parts than there are tensors.
    """
    _require_sizes(network, arch)
    try:
        with torch.device("meta"), _counted(network, most=PARTS_AT_LEAST + PARTS_A_TENSOR * tensors):
            return _daclip(arch) if network == "daclip" else build(NETWORKS[network].name, arch)
    except UserError:
        raise
    except (TypeError, ValueError, LookupError, ArithmeticError, RuntimeError, AssertionError, AttributeError) as error:
        reason = str(error).split("\n")[0][:200]
        raise UserError(f"network {network!r} cannot be built from {_short(arch)} ({reason})") from None


def _daclip(arch: Mapping[str, Any]) -> nn.Module:
    import open_clip

    from models.daclip.config import resolve
    from models.daclip.controller import DaClip

    clip = arch.get("clip")
    if not isinstance(clip, Mapping):
        # A name would be looked up by open_clip, which knows names that lead to folders and to the network.
        raise UserError(f"the CLIP of a DA-CLIP must be described in full in its weights file, not by {clip!r}")
    return DaClip(open_clip.CLIP(**resolve(clip)))


def _require_sizes(network: str, value: Any) -> None:
    if isinstance(value, Mapping):
        for part in value.values():
            _require_sizes(network, part)
    elif isinstance(value, list | tuple):
        for part in value:
            _require_sizes(network, part)
    elif isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:
        raise UserError(f"network {network!r} has no number as large as {str(value)[:20]} in its architecture")


@contextmanager
def _counted(network: str, *, most: int) -> Iterator[None]:
    """Count what is put into modules in this thread, and stop when it is too much."""
    here, count = threading.get_ident(), 0

    def add(*_: object) -> None:
        nonlocal count
        if threading.get_ident() == here:
            count += 1
            if count > most:
                raise UserError(f"network {network!r} would be far larger than the weights: the file is damaged")

    with ExitStack() as stack:
        for register in (
            registration.register_module_parameter_registration_hook,
            registration.register_module_module_registration_hook,
            registration.register_module_buffer_registration_hook,
        ):
            stack.enter_context(register(add))  # pyright: ignore[reportArgumentType]
        yield


def _short(arch: Mapping[str, Any]) -> str:
    text = str(dict(arch))
    return text if len(text) <= 200 else f"{text[:200]}..."
