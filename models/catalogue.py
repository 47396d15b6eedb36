"""Ordered catalogues of named things whose code is imported only when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

from models.errors import UserError, close_match


class Card(Protocol):
    """What every catalogue entry declares as data; one that is more than data has a `target` as well."""

    @property
    def name(self) -> str: ...


C = TypeVar("C", bound=Card)


class Catalogue(Mapping[str, C], Generic[C]):
    """An explicit, ordered list of cards; `load` imports what a card's `target` ("module:attribute") points to.

    Arguments:
        kind: What one entry is called in error messages, e.g. `"network"`.
        cards: The entries, in the order in which they are listed.

    Raises:
        ValueError: Two cards share a name, or a target is not of the form "module:attribute".
    """

    def __init__(self, kind: str, cards: Iterable[C]) -> None:
        self.kind = kind
        self._cards: dict[str, C] = {}
        for card in cards:
            if card.name in self._cards:
                raise ValueError(f"two {kind}s are called {card.name!r}")
            target = getattr(card, "target", None)
            if target is not None and target.count(":") != 1:
                raise ValueError(f"the target of {kind} {card.name!r} is not 'module:attribute': {target!r}")
            self._cards[card.name] = card

    def __getitem__(self, name: str) -> C:
        if name not in self._cards:
            known = ", ".join(self._cards)
            hint = close_match(name, self._cards)
            raise UserError(f"there is no {self.kind} called {name!r}{hint} (known: {known})")
        return self._cards[name]

    def __contains__(self, name: object) -> bool:
        return name in self._cards

    def __iter__(self) -> Iterator[str]:
        return iter(self._cards)

    def __len__(self) -> int:
        return len(self._cards)

    def load(self, name: str) -> Any:
        """Import and return what the card called `name` points to."""
        card: Any = self[name]
        module, attribute = card.target.split(":")
        return getattr(importlib.import_module(module), attribute)
