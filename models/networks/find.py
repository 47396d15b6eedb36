"""From the name of a network to its card: one of the catalogue, or anybody's `package.module:factory`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from models.errors import UserError, close_match
from models.networks import NETWORKS, NetworkCard
from models.vocabulary import DEGRADATIONS

if TYPE_CHECKING:
    from torch import nn

SPANDREL = "spandrel"
# What a user's module may declare by attributes of these names, beside the sizes that every module may.
SIZES = ("multiple_of", "minimum_size")
DECLARED = (*SIZES, "padding", "pad_sides", "pad_always", "reach", "tiles", "half", "rounding", "tasks", "title")
CHOICES: dict[str, tuple[str, ...]] = {
    "padding": ("reflect", "zero", "edge", "grey"),
    "pad_sides": ("end", "both", "even"),
    "tiles": ("exact", "close", "no"),
    "half": ("bf16", "fp16"),
    "rounding": ("round", "truncate"),
    "tasks": DEGRADATIONS,
}


def find_network(name: str) -> NetworkCard:
    """Return the card of a network.

    Arguments:
        name: A name of the catalogue; `package.module:factory`, where calling the factory without arguments returns a
            `torch.nn.Module`; or "spandrel", for a checkpoint of any network that the package of this name knows.

    Raises:
        UserError: There is no such network, module or factory.
    """
    if name == SPANDREL:
        return NetworkCard(
            name=SPANDREL,
            target="models.networks.foreign:load_spandrel",
            title="spandrel",
            paper="",
            year=0,
            url="https://github.com/chaiNNer-org/spandrel",
            weights_licence="see the authors of the weights",
            summary="A network that the package spandrel recognises by its weights.",
        )
    if ":" not in name:
        return NETWORKS[name]
    factory_of(name)
    return NetworkCard(
        name=name,
        target=name,
        title=name.rpartition(":")[2],
        paper="",
        year=0,
        url="",
        licence="see its author",
        weights_licence="see its author",
        summary="A network from outside the catalogue.",
    )


def is_foreign(name: str) -> bool:
    """Say whether a network's name is not of the catalogue."""
    return name == SPANDREL or ":" in name


def factory_of(name: str) -> Callable[[], Any]:
    """Import what `package.module:factory` names; the current folder is looked into first.

    Raises:
        UserError: The module cannot be imported, or holds no such function or class.
    """
    place, _, attribute = name.partition(":")
    if place.partition(".")[0] in {*sys.stdlib_module_names, *sys.builtin_module_names}:
        # Nothing in them makes a network; much in them waits for ever, or does what nobody wants.
        raise UserError(
            f"network {name!r}: {place} is a module of Python itself, which makes no networks; expected "
            "package.module:factory of your own"
        )
    try:
        with _current_folder():
            module = importlib.import_module(place)
    except ModuleNotFoundError as error:
        raise UserError(
            f"network {name!r}: there is no module {error.name!r}; expected package.module:factory, importable from "
            f"the current folder or installed"
        ) from None
    except (ValueError, TypeError) as error:
        raise UserError(f"network {name!r} is not of the form package.module:factory ({error})") from None
    except Exception as error:
        raise UserError(f"network {name!r}: importing {place} failed with {type(error).__name__}: {error}") from error
    factory: Any = module
    for part in attribute.split("."):
        if not hasattr(factory, part):
            hint = close_match(part, [key for key in vars(factory) if not key.startswith("_")])
            raise UserError(f"network {name!r}: {place} has no {attribute!r}{hint}")
        factory = getattr(factory, part)
    if not callable(factory):
        raise UserError(
            f"network {name!r}: {attribute} is {type(factory).__name__}, expected a function or class that returns a "
            "torch module"
        )
    return factory


def declared(card: NetworkCard, module: nn.Module) -> NetworkCard:
    """Return the card with what an instance says about itself in attributes of the same names.

    A network of the catalogue says its sizes only, as they may depend on its architecture. An attribute of another type
    than the field's (a layer called `padding`) is no declaration.

    Raises:
        UserError: A value is none of those that there are.
    """
    said: dict[str, Any] = {}
    for name in DECLARED if is_foreign(card.name) else SIZES:
        # Every torch module has a method called half.
        value: Any = getattr(module, "half_precisions" if name == "half" else name, None)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if name in (*SIZES, "reach"):
            if whole and value < (0 if name == "reach" else 1):
                raise UserError(f"network {card.name!r}: its attribute {name} is {value}, expected a positive number")
            if whole:
                said[name] = value
        elif name == "pad_always":
            said |= {name: value} if isinstance(value, bool) else {}
        elif name in ("half", "tasks"):
            if isinstance(value, tuple | list) and all(isinstance(word, str) for word in value):
                said[name] = tuple(_checked(card, name, word) for word in value)
        elif isinstance(value, str):
            said[name] = _checked(card, name, value)
    if said.get("reach") is not None and "tiles" not in said:
        said["tiles"] = "exact"
    return replace(card, **said)


def _checked(card: NetworkCard, name: str, value: str) -> str:
    if value not in CHOICES.get(name, (value,)):
        raise UserError(
            f"network {card.name!r}: its attribute {name} is {value!r}, expected one of {', '.join(CHOICES[name])}"
        )
    return value


@contextmanager
def _current_folder() -> Iterator[None]:
    """Let modules of the current folder be imported: an installed program does not look there by itself."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
