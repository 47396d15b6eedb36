"""Joining and splitting the text of a pair: "<caption>: <degradation>", or "<caption>: <word>, <word>" for several."""

from __future__ import annotations

from collections.abc import Sequence

from models.errors import UserError

SEPARATOR = ": "
WORD_SEPARATOR = ", "


def join_text(caption: str, degradation: str | Sequence[str]) -> str:
    """Return the text of a pair, e.g. `"a cat on a chair: rainy"` or `"a cat on a chair: blur, noise"`.

    Arguments:
        caption: Text about the clean image; it may itself hold ": ".
        degradation: What is wrong with the degraded image: one word, several already joined, or a list of words.

    Raises:
        UserError: A word would not be found again when the text is split.
    """
    words = degradation if isinstance(degradation, str) else join_words(degradation)
    if SEPARATOR in words:
        raise UserError(f"the degradation {words!r} cannot stand in a text: it holds ': ', at which texts are split")
    return f"{caption}{SEPARATOR}{words}"


def split_text(text: str) -> tuple[str, str]:
    """Split a text into caption and degradation, from the right and once: a caption may itself hold ": ".

    Arguments:
        text: A text made by `join_text`.

    Returns:
        The caption and the degradation; the degradation is empty when the text holds no separator.
    """
    caption, separator, degradation = text.rpartition(SEPARATOR)
    return (caption, degradation) if separator else (text, "")


def join_words(words: Sequence[str]) -> str:
    """Return the words of a mixture as they stand in a text, e.g. `"blur, noise"`.

    Raises:
        UserError: A word is empty, begins or ends blank, or holds a comma or colon: it would not be found again.
    """
    for word in words:
        if not word or word != word.strip() or "," in word or ":" in word:
            raise UserError(f"{word!r} cannot stand in a list of degradations: write words without commas or colons")
    return WORD_SEPARATOR.join(words)


def split_words(degradation: str) -> tuple[str, ...]:
    """Return the words of a degradation as `join_words` took them; none for an empty one."""
    return tuple(degradation.split(WORD_SEPARATOR)) if degradation else ()
