"""The one exception that means: the input was wrong and the user can mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in what was given, told in one sentence: what came, what was expected, what to do.

    The command line prints it without a traceback and exits with status 2.
    """


def close_match(word: str, known: Iterable[str]) -> str:
    """Return `" - did you mean 'x'?"` when something known is close to `word`, else an empty string."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" - did you mean {matches[0]!r}?" if matches else ""
