"""The grammar of specs: how the text of a degradation pipeline is read and written."""

from __future__ import annotations

import functools
import inspect
import json
import math
import re
from dataclasses import dataclass

from benchmark.degradations import OPERATIONS
from models.errors import UserError, close_match

Value = int | float | bool | str

MAX_TEXT = 20_000
MAX_STEPS = 32
"""Specs come out of files of strangers too. The longest that the wild pipeline draws has 12 steps and 532 letters."""

MAX_DIGITS = 100

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>[-+]?+(?:\d++\.?+\d*+|\.\d++)(?:[eE][-+]?+\d++)?(?![\w.]))
      | (?P<name>[A-Za-z_]\w*)
      | (?P<text>"(?:[^"\\]|\\.)*"|'[^'"\\]*')
      | (?P<sign>[()=,|])
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Step:
    """One operation of a pipeline.

    Arguments:
        name: Name of the operation in the catalogue.
        arguments: The parameters that are given, as `(name, value)` in the order written; the rest is drawn at random.
    """

    name: str
    arguments: tuple[tuple[str, Value], ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{key}={_write(value)}' for key, value in self.arguments)})"


@dataclass(frozen=True)
class Spec:
    """A degradation pipeline: the steps are applied from left to right. `str` gives its canonical text."""

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return " | ".join(str(step) for step in self.steps)


def parse(text: str) -> Spec:
    """Read a spec.

    Arguments:
        text: Steps `name(key=value, ...)` joined by ` | `; a value is a number, `true`, `false` or a quoted string.

    Returns:
        The spec; `parse(str(spec)) == spec`.

    Raises:
        UserError: The text is malformed, or names an unknown operation or parameter. The message says where and what is
            close.
    """
    return Spec(tuple(_Reader(text).steps()))


def _write(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, str) else repr(value)


@functools.cache
def _parameters(operation: str) -> tuple[str, ...]:
    signature = inspect.signature(OPERATIONS.load(operation))
    own = tuple(name for name, p in signature.parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY)
    return own if OPERATIONS[operation].macro else (*own, "rounding")


class _Reader:
    """Walks over the text of a spec from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def steps(self) -> list[Step]:
        if len(self.text) > MAX_TEXT:
            raise UserError(f"a spec of {len(self.text)} letters is longer than the limit of {MAX_TEXT}")
        found = [self._step()]
        while self._take("sign", "|") is not None:
            if len(found) == MAX_STEPS:
                raise UserError(f"a spec may have {MAX_STEPS} steps, but {self._shown()!r} has more")
            found.append(self._step())
        if self.text[self.at :].strip():
            raise self._error("'|' or the end")
        return found

    def _step(self) -> Step:
        name = self._need("name", "the name of an operation")
        _ = OPERATIONS[name]
        self._need("sign", "'(' after the operation's name", "(")
        arguments: dict[str, Value] = {}
        while self._take("sign", ")") is None:
            if arguments:
                self._need("sign", "',' or ')'", ",")
            key = self._need("name", "the name of a parameter")
            known = _parameters(name)
            if key not in known:
                hint = close_match(key, known)
                raise UserError(f"{name} has no parameter {key!r}{hint} (known: {', '.join(known)})")
            if key in arguments:
                raise UserError(f"{name} is given {key!r} twice")
            self._need("sign", "'=' after the parameter's name", "=")
            arguments[key] = self._value()
        return Step(name, tuple(arguments.items()))

    def _value(self) -> Value:
        start = self.at
        if (number := self._take("number")) is not None:
            if re.fullmatch(r"[-+]?\d+", number):
                if len(number) > MAX_DIGITS:
                    raise UserError(f"{number[:20]}... in a spec has more than {MAX_DIGITS} digits")
                return int(number)
            if math.isfinite(value := float(number)):
                return value
        elif (word := self._take("name")) is not None and word.lower() in ("true", "false"):
            return word.lower() == "true"
        elif (text := self._take("text")) is not None:
            try:
                return text[1:-1] if text[0] == "'" else json.loads(text)
            except ValueError:
                pass
        self.at = start
        raise self._error("a number, true, false or a quoted string")

    def _take(self, kind: str, exactly: str | None = None) -> str | None:
        match = _TOKEN.match(self.text, self.at)
        if match is None or match.lastgroup != kind or (exactly is not None and match[kind] != exactly):
            return None
        self.at = match.end()
        return match[kind]

    def _need(self, kind: str, what: str, exactly: str | None = None) -> str:
        token = self._take(kind, exactly)
        if token is None:
            raise self._error(what)
        return token

    def _shown(self) -> str:
        return self.text if len(self.text) <= 200 else f"{self.text[:200]}..."

    def _error(self, expected: str) -> UserError:
        rest = self.text[self.at :].strip()
        came = f"{rest[:20]!r}" if rest else "the end"
        return UserError(
            f"the spec {self._shown()!r} cannot be read at column {self.at + 1}: expected {expected}, found {came}; "
            "write it like 'rain(density=0.3) | jpeg(quality=30)'"
        )
