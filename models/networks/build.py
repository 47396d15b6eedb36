"""From a network's name and architecture arguments to a module."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from torch import nn

from models.errors import UserError, close_match
from models.networks import NETWORKS
from models.networks.find import is_foreign
from models.networks.foreign import build_foreign


def build(name: str, arch: Mapping[str, object]) -> nn.Module:
    """Build the network called `name` with freshly initialised weights.

    Arguments:
        name: A name of the catalogue, or `package.module:factory`.
        arch: Constructor arguments; those left out take the defaults.

    Returns:
        The module, in training mode.

    Raises:
        UserError: The name or an argument is unknown, or a value is refused.
    """
    if is_foreign(name):
        if arch:
            raise UserError(f"network {name!r} is made without arguments, but {', '.join(arch)} came")
        return build_foreign(name)
    cls = NETWORKS.load(name)
    # object's own signature, (*args, **kwargs), must not be taken for named arguments.
    known = [] if cls.__init__ is nn.Module.__init__ else list(inspect.signature(cls).parameters)
    for argument in arch:
        if argument not in known:
            allowed = ", ".join(known) or "none"
            raise UserError(
                f"network {name!r} has no argument {argument!r}{close_match(argument, known)} (known: {allowed})"
            )
    try:
        return cls(**arch)
    except TypeError as error:
        raise UserError(f"network {name!r} cannot be built from {dict(arch)}: {error}") from None
