"""Writing weights: the same content always gives the same bytes, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from models.errors import UserError
from models.files import atomic_path
from models.weights.fitting import aliases


def save_weights(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, object]) -> None:
    """Write tensors and metadata as safetensors, atomically; the same content always gives the same bytes.

    A tensor with several names is stored once, under the first; `load_into` gives it its other names back.

    Arguments:
        path: The file to write.
        state: Tensors by name.
        metadata: Anything that JSON can hold.
    """
    twins = aliases(state)
    tensors = {key: state[key].detach().cpu().contiguous() for key in sorted(state) if key not in twins}
    # The format writes several entries in an order that changes from run to run; one entry has no order.
    text = json.dumps(metadata, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as partial:
        try:
            save_file(tensors, partial, metadata={"bench": text})
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path} could not be written ({error}): check the disk and run it again") from None
