"""Pickles read as data: an interpreter of their operations that knows no names but those it is given.

Nothing is imported, and nothing is called but what the reader of a format lists. A pickle that asks for more, uses an
operation that plain data needs not, or would unfold to far more than it is, is refused.
"""

from __future__ import annotations

import argparse
import pickletools
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from models.weights.formats.doors import Damaged
from models.weights.formats.unfolding import ATOMS, check_unfolded

STEPS = 3_000_000
"""How many operations a pickle may have: a checkpoint has 30 or so for a tensor."""

_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list}
_VALUES = {"BININT", "BININT1", "BININT2", "BINFLOAT", "LONG1", "LONG4", "BINUNICODE", "SHORT_BINUNICODE"}
_VALUES |= {"BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Stream(Protocol):
    """What a pickle is read from: a buffer in memory, or a mapped file."""

    def read(self, count: int, /) -> bytes: ...
    def readline(self) -> bytes: ...
    def tell(self) -> int: ...


class ForeignName(Damaged):
    """A pickle asks for a function or a class that is not needed for data."""

    def __init__(self, name: str) -> None:
        super().__init__(f"it asks for {name[:200] if name.isprintable() else ascii(name[:200])}")


@dataclass(frozen=True, eq=False)
class Maker:
    """What a name in a pickle stands for when it is called there.

    Arguments:
        make: Gets the arguments, checks them and returns the value; raises `Damaged`.
    """

    make: Callable[[tuple[Any, ...]], Any]


def load(
    stream: Stream,
    names: Callable[[str], Any],
    *,
    stored: Callable[[Any], Any] | None = None,
    build: Callable[[Any, Any], None] | None = None,
) -> Any:
    """Read one pickle and return what it holds; the stream stands behind it afterwards.

    Arguments:
        stream: Where it begins.
        names: Returns what a name ("module.name") stands for: a `Maker`, or a value; raises `ForeignName`.
        stored: Returns what a persistent id stands for; without it there may be none.
        build: Gives a value that a `Maker` made its state; without it only dictionaries may have one, which is dropped.

    Raises:
        Damaged: It is no pickle, is cut off, asks for what is not data, or unfolds to too much.
    """
    value = _Interpreter(names, stored, build).run(stream)
    check_unfolded(value)
    return value


class _Interpreter:
    def __init__(self, names: Any, stored: Any, build: Any) -> None:
        self._names, self._stored, self._build = names, stored, build
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self, stream: Stream) -> Any:
        for name, value in _operations(stream):
            if name == "STOP":
                break
            try:
                self._step(name, value)
            except (IndexError, KeyError):
                # Of the stack or the memo: makers and tables raise `Damaged`.
                raise Damaged("its pickle uses what is not there") from None
        if len(self._stack) != 1 or self._marks:
            raise Damaged("its pickle does not end with one value")
        return self._stack[0]

    def _step(self, name: str, value: Any) -> None:
        stack = self._stack
        if name in ("BINPUT", "LONG_BINPUT"):
            self._memo[value] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[value])
        elif name in _VALUES:
            if isinstance(value, int) and value.bit_length() > 128:
                raise Damaged("it holds a number of more than 128 bits")
            stack.append(value)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            count = _TUPLES[name]
            if len(stack) < count:
                raise IndexError
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "MARK":
            self._marks.append(stack)
            self._stack = []
        elif name == "TUPLE":
            self._to_mark(lambda below, items: below.append(tuple(items)))
        elif name == "SETITEMS":
            self._to_mark(lambda below, items: _set(below[-1], items))
        elif name == "SETITEM":
            item = stack.pop()
            key = stack.pop()
            _set(stack[-1], [key, item])
        elif name in ("APPENDS", "APPEND"):
            if name == "APPENDS":
                self._to_mark(lambda below, items: _extend(below[-1], items))
            else:
                item = stack.pop()
                _extend(stack[-1], [item])
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name in ("BINSTRING", "SHORT_BINSTRING"):
            stack.append(_old_text(value))
        elif name not in ("PROTO", "FRAME"):
            self._call(name, value)

    def _call(self, name: str, value: Any) -> None:
        stack = self._stack
        if name == "GLOBAL":
            stack.append(self._names(value.replace(" ", ".", 1)))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            if not isinstance(attribute, str) or not isinstance(module, str):
                raise Damaged("a name in its pickle is no text")
            stack.append(self._names(f"{module}.{attribute}"))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments, maker = stack.pop(), stack.pop()
            if not isinstance(maker, Maker) or not isinstance(arguments, tuple):
                raise Damaged("its pickle calls what is no function")
            stack.append(maker.make(arguments))
        elif name == "BUILD":
            state = stack.pop()
            _build(stack[-1], state, self._build)
        elif name == "BINPERSID" and self._stored is not None:
            stack.append(self._stored(stack.pop()))
        else:
            raise Damaged(f"its pickle uses the operation {name}, which data needs not")

    def _to_mark(self, use: Callable[[list[Any], list[Any]], None]) -> None:
        items = self._stack
        self._stack = self._marks.pop()
        use(self._stack, items)


def _operations(stream: Stream) -> Iterator[tuple[str, Any]]:
    operations: Any = pickletools.genops(stream)  # pyright: ignore[reportArgumentType]
    for _ in range(STEPS):
        try:
            operation, value, _ = next(operations)
        except StopIteration:
            return
        except Exception as error:  # broken bytes can make the parser raise nearly anything
            raise Damaged(f"its pickle is cut off or damaged ({type(error).__name__})") from None
        yield operation.name, value
    raise Damaged(f"its pickle has more than {STEPS} operations")


def _set(target: Any, items: list[Any]) -> None:
    if type(target) not in (dict, OrderedDict) or len(items) % 2:
        raise Damaged("its pickle puts entries into what is no dictionary")
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[hashable(key)] = value


def hashable(key: Any) -> Any:
    """Return a key of a dictionary, or an element of a set: a number, a text, or a tuple of such.

    Tuples of tuples are refused: their hash can take for ever.
    """
    if isinstance(key, ATOMS) or (type(key) is tuple and all(isinstance(part, ATOMS) for part in key)):
        return key
    raise Damaged(f"a key in it is a {type(key).__name__}")


def _extend(target: Any, items: list[Any]) -> None:
    if type(target) is not list:
        raise Damaged("its pickle appends to what is no list")
    target.extend(items)


def _build(value: Any, state: Any, build: Any) -> None:
    if type(value) in (dict, OrderedDict):
        return  # attributes beside the entries, such as torch's versions of layers
    if isinstance(value, argparse.Namespace):
        if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
            raise Damaged("its options have no names")
        vars(value).update(state)
    elif build is None:
        raise Damaged("its pickle gives a state to what has none")
    else:
        build(value, state)


def _old_text(text: str) -> str | bytes:
    """Return a text of Python 2, whose texts were bytes; the parser has taken them for Latin-1."""
    data = text.encode("latin-1")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data
