"""Read JSON or YAML values into frozen dataclasses, refusing every key or type that was not declared."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, Union

from models.errors import UserError, close_match

T = TypeVar("T")

LARGEST = 10**18
"""Above all whole numbers that mean anything here."""

LONGEST = 100_000
"""Characters of a text: more than any command line or explanation has."""


def parse(kind: type[T], value: Any, *, where: str) -> T:
    """Build the dataclass `kind` from plain JSON values.

    The declared field types decide: nested dataclasses, `tuple[X, ...]`, `tuple[X, Y]`, `Mapping[str, X]`, unions with
    None and the JSON scalars are followed; `Any` is taken as it is. Fields with a default may be left out, all others
    must be present. A `UserError` raised by the dataclass itself gets the place put in front.

    Arguments:
        kind: A dataclass type.
        value: What the file held at this place.
        where: The file, and inside it the path of keys; it starts every error.

    Raises:
        UserError: A key is unknown or missing, or a value has another type than declared.
    """
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: expected named values, got {_told(value)}")
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in value:
        if key not in fields:
            raise UserError(f"{where}: unknown key {key!r}{close_match(str(key), fields)}")
    hints = typing.get_type_hints(kind)
    given: dict[str, Any] = {}
    for name, field in fields.items():
        if name in value:
            given[name] = _convert(hints[name], value[name], where=f"{where}: {name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise UserError(f"{where}: the key {name!r} is missing")
    try:
        return kind(**given)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _convert(hint: Any, value: Any, *, where: str) -> Any:
    """Return `value` as the declared type `hint`, or raise naming the place."""
    if hint is Any:
        return value
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(arguments, value, where=where)
    if origin is tuple:
        return _convert_tuple(arguments, value, where=where)
    if origin is not None:  # Mapping[str, X]
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise UserError(f"{where}: expected named values, got {_told(value)}")
        for key in value:
            _check_text(key, where=where)
        return {key: _convert(arguments[1], item, where=f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return parse(hint, value, where=where)  # type: ignore[arg-type]
    if hint is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST:
        return float(value)
    # bool is a kind of int in Python but not in JSON
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise UserError(f"{where}: expected {hint.__name__}, got {_told(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{where}: expected a finite number, got {value}")
    if isinstance(value, int) and abs(value) >= LARGEST:
        raise UserError(f"{where}: expected a number of at most 18 digits, got a longer one")
    if isinstance(value, str):
        _check_text(value, where=where)
    return value


def _check_text(value: str, *, where: str) -> None:
    if len(value) > LONGEST:
        raise UserError(f"{where}: expected at most {LONGEST} characters, got {len(value)}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(f"{where}: expected text, got halves of characters in {value[:60]!a}") from None


def _convert_union(arguments: tuple[Any, ...], value: Any, *, where: str) -> Any:
    if value is None and type(None) in arguments:
        return None
    choices = [a for a in arguments if a is not type(None)]
    for choice in choices[:-1]:
        if isinstance(choice, type) and isinstance(value, choice) and not isinstance(value, bool):
            return _convert(choice, value, where=where)
    return _convert(choices[-1], value, where=where)


def _convert_tuple(arguments: tuple[Any, ...], value: Any, *, where: str) -> Any:
    if not isinstance(value, list | tuple):
        raise UserError(f"{where}: expected a list, got {_told(value)}")
    if arguments[-1] is Ellipsis:
        inner = [arguments[0]] * len(value)
    elif len(value) == len(arguments):
        inner = list(arguments)
    else:
        raise UserError(f"{where}: expected {len(arguments)} values, got {len(value)}")
    return tuple(_convert(a, item, where=f"{where}[{i}]") for i, (a, item) in enumerate(zip(inner, value, strict=True)))


def _told(value: Any) -> str:
    """Return a short description of a wrong value for an error message."""
    try:
        text = repr(value)
    except RecursionError:
        text = "nested too deeply"
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def plain(value: Any) -> Any:
    """Turn a dataclass into plain JSON values: tuples become lists, mappings become dicts."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
