"""The wire format of protocol buffers: fields with their numbers and raw values, parsed without a schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}

Field: TypeAlias = tuple[int, int, int | memoryview]
"""A field's number, its wire type, and its value: a whole number for a varint, else its bytes."""


class DamagedMessage(ValueError):
    """Bytes that are no protocol buffer; the message says what is wrong with them."""


def fields(data: memoryview, *, cut: bool = False) -> Iterator[Field]:
    """Yield the fields of a message in order; nothing is copied, and nothing inside a field is looked at.

    Arguments:
        data: The whole message.
        cut: True when it is the beginning of one: what is there of the last field is yielded as well.

    Raises:
        DamagedMessage: It ends within a field, or what it holds is no field.
    """
    position = 0
    while position < len(data):
        tag, position = varint(data, position)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise DamagedMessage("it holds a field without a number")
        if wire == VARINT:
            value, position = varint(data, position)
            yield number, wire, value
            continue
        if wire == BYTES:
            length, position = varint(data, position)
        elif wire in _FIXED:
            length = _FIXED[wire]
        else:
            raise DamagedMessage(f"it holds a field of the unknown kind {wire}")
        if length > len(data) - position and not cut:
            raise DamagedMessage(f"it ends {length - len(data) + position} bytes too early")
        yield number, wire, data[position : position + length]
        position += length


def varint(data: memoryview, position: int) -> tuple[int, int]:
    """Read a whole number of variable length.

    Arguments:
        data: The bytes around it.
        position: Where it begins.

    Returns:
        The number, without a sign, and where the next thing begins.

    Raises:
        DamagedMessage: It is longer than 64 bits or not all there.
    """
    value = 0
    for i in range(10):
        if position + i >= len(data):
            raise DamagedMessage("it ends within a number")
        byte = data[position + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, position + i + 1
    raise DamagedMessage("it holds a number of more than 64 bits")


def packed(value: int | memoryview) -> Iterator[int]:
    """Yield the whole numbers of a repeated field, stored one a field or all in one.

    Raises:
        DamagedMessage: They are not all there.
    """
    if isinstance(value, int):
        yield value
        return
    position = 0
    while position < len(value):
        number, position = varint(value, position)
        yield number
