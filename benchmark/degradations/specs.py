"""Degradations as strings: `rain(density=0.02) | jpeg(quality=30)`."""

from __future__ import annotations

import ast
import hashlib
import inspect
import math
from dataclasses import dataclass

import numpy as np

from benchmark.degradations import OPERATIONS
from models.errors import UserError, close_match
from models.images import to_float, to_uint8

Value = int | float | bool | str


@dataclass(frozen=True)
class Step:
    """One operation with the arguments that were given.

    Arguments:
        name: Name of the operation.
        arguments: Pairs of name and value, in the order in which they were written.
    """

    name: str
    arguments: tuple[tuple[str, Value], ...] = ()

    def __str__(self) -> str:
        inside = ", ".join(f"{key}={value!r}" for key, value in self.arguments)
        return f"{self.name}({inside})"


@dataclass(frozen=True)
class Spec:
    """Operations one after the other; `str` gives the canonical text, `parse` reads it back."""

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return " | ".join(str(step) for step in self.steps)


def parse(text: str) -> Spec:
    """Read a spec.

    Arguments:
        text: Steps `name(key=value, ...)` joined by ` | `; values are numbers, True, False or quoted strings.

    Raises:
        UserError: The text is malformed, or an operation or parameter is unknown (the closest is named).
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UserError(f"spec {text!r} is malformed: expected name(key=value, ...) | name(...)") from None
    return Spec(tuple(_step(node, text) for node in _chain(tree)))


def _chain(node: ast.expr) -> list[ast.expr]:
    # a | b | c parses to ((a | b) | c): walk down the left side.
    links: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        links.append(node.right)
        node = node.left
    return [node, *reversed(links)]


def _step(node: ast.expr, text: str) -> Step:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.args:
        raise UserError(f"spec {text!r} is malformed: each step is name(key=value, ...), with named values only")
    card = OPERATIONS[node.func.id]
    known = [
        p.name for p in inspect.signature(OPERATIONS.load(card.name)).parameters.values() if p.kind == p.KEYWORD_ONLY
    ]
    arguments: list[tuple[str, Value]] = []
    for keyword in node.keywords:
        if keyword.arg not in known:
            hint = close_match(str(keyword.arg), known)
            raise UserError(f"{card.name} has no parameter {keyword.arg!r}{hint} (known: {', '.join(known)})")
        try:
            value = ast.literal_eval(keyword.value)
        except (ValueError, SyntaxError, TypeError):
            value = None
        if not isinstance(value, int | float | str) or (isinstance(value, float) and not math.isfinite(value)):
            raise UserError(f"spec {text!r}: {keyword.arg} must be a number, True, False or a quoted string")
        arguments.append((keyword.arg, value))
    return Step(card.name, tuple(arguments))


def apply(spec: Spec | str, pixels: np.ndarray, *, seed: int, key: str) -> np.ndarray:
    """Degrade an image; the same spec, seed and key always give the same pixels.

    The generator is seeded from the SHA-256 of the three, so nothing depends on order, process or machine. Each step
    ends in 8 bits by its card's rounding.

    Arguments:
        spec: What to do.
        pixels: RGB with shape `(H, W, 3)`, uint8.
        seed: Seed of the dataset.
        key: Key of the pair.

    Returns:
        The degraded image, same shape, uint8.

    Raises:
        UserError: The spec is wrong, or a parameter is out of its range.
    """
    spec = parse(spec) if isinstance(spec, str) else spec
    digest = hashlib.sha256("\0".join((str(spec), str(seed), key)).encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:16], "little"))
    for step in spec.steps:
        result = OPERATIONS.load(step.name)(to_float(pixels), generator, **dict(step.arguments))
        truncate = OPERATIONS[step.name].rounding == "truncate"
        pixels = (result * np.float32(255)).astype(np.uint8) if truncate else to_uint8(result)
    return pixels
