"""Folders of models from strangers: refused where their files name code, other places, or sizes that no model has."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.errors import UserError
from models.files import read_json
from models.markdown import shown

CODE = ("auto_map", "custom_pipelines", "custom_generate", "trust_remote_code")
"""Keys by which a model's files name Python code that is to be run with it."""

ELSEWHERE = ("quantization_config", "base_model_name_or_path", "kernel_config", "use_kernels")
"""Keys by which they ask for further programs or files: quantisers and adapters, and kernels from the hub."""

MODES = ("penalty_alpha", "dola_layers", "constraints", "force_words_ids", "assistant_model")
"""Ways to generate for which code is fetched, or which want more than an image."""

ATTENTION = re.compile(r"_?attn_implementation(_internal)?")
ATTENTIONS = (None, "eager", "sdpa", "flash_attention_2", "flex_attention")
MOST_LAYERS, LARGEST = 1000, 10**8


def refuse_code(folder: Path, what: str) -> None:
    """Look through the configurations of a model's folder before anything is loaded from it.

    Arguments:
        folder: The folder.
        what: What it holds, for the error.

    Raises:
        UserError: A file names code, files outside the folder or further programs, or is damaged; the message says
            which.
    """
    if (folder / "adapter_config.json").exists():
        raise UserError(
            f"{what} {folder} holds an adapter (adapter_config.json), which names another model to be loaded: merge "
            "the two and give the folder of the result"
        )
    for file in sorted([*folder.glob("*config.json"), *folder.glob("*.index.json")]):
        values = read_json(file, f"{what}: its file")
        if file.name.endswith(".index.json"):
            _check_parts(file, values, what)
            continue
        for key, value in _items(values):
            if value in (None, False, "", [], {}):
                continue
            if key in CODE:
                raise UserError(
                    f"{what} {folder} names code to be run with it ({key!r} in {file.name}), and code of models is "
                    "never run here: choose a model that transformers knows by itself"
                )
            attention = ATTENTION.fullmatch(key) and value not in ATTENTIONS
            if key in ELSEWHERE or attention or (file.name == "generation_config.json" and key in MODES):
                raise UserError(
                    f"{what} {folder} asks for more than its own files ({key!r} in {file.name}): give a model "
                    "without it"
                )
            if file.name == "config.json":
                _check_size(file, key, value, what)


def _items(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield all keys and values of a JSON object, of those inside it as well."""
    waiting: list[Any] = [values]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield from one.items()
        inner = one.values() if isinstance(one, dict) else one
        waiting += [item for item in inner if isinstance(item, dict | list)]


def _check_size(file: Path, key: str, value: Any, what: str) -> None:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    if number > LARGEST or ("layer" in key and number > MOST_LAYERS):
        raise UserError(f"{what} {file} says {shown(key)} = {number:.6g}, which no model has: it is damaged")


def _check_parts(file: Path, values: dict[str, Any], what: str) -> None:
    """See that the parts of weights in several files lie beside their index."""
    parts = values.get("weight_map")
    if not isinstance(parts, dict) or not isinstance(values.get("metadata", {}), dict):
        raise UserError(f"{what} {file} lists no parts of weights: it is damaged")
    for part in parts.values():
        if not isinstance(part, str) or not re.fullmatch(r"[\w-][\w.-]*", part):
            raise UserError(f"{what} {file} names a part of the weights outside its folder: {shown(repr(part))}")


@contextlib.contextmanager
def unanswered() -> Iterator[None]:
    """Let no library ask anything while the block runs: a pipe of "yes" must not answer for the user."""
    before = sys.stdin
    sys.stdin = io.StringIO()
    try:
        yield
    finally:
        sys.stdin = before
