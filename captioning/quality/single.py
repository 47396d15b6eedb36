"""Checks of one caption by itself: empty, damaged characters, repetition, invented words."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_MADE_UP = re.compile(r"araf(?!at)[a-z]*")  # Arafat is a name; araffe, arafed, arafy, ... are nothing

LONGEST_PHRASE = 8
MOST_REPEATED = 0.3
FEWEST_PHRASES = 6


def words_of(caption: str) -> list[str]:
    """Return the words of a caption in lower case, without punctuation."""
    return _WORD.findall(unicodedata.normalize("NFKC", caption).casefold())


def damaged_characters(caption: str) -> str | None:
    """Return what is wrong with the characters of a caption, or None.

    Control characters and line ends, characters that Unicode does not assign, the replacement character, and text that
    was decoded with the wrong table (`"cafÃ©"`) are wrong. Bytes that are no UTF-8 come as lone surrogates.
    """
    from ftfy.badness import is_bad

    for character in caption:
        category = unicodedata.category(character)
        if category == "Cs":
            return f"the byte 0x{ord(character) & 0xFF:02x} is no UTF-8"
        if category in ("Cc", "Zl", "Zp"):
            return f"the control character U+{ord(character):04X}"
        if character == "\ufffd":
            return "the replacement character U+FFFD: its text is lost"
        if category in ("Cn", "Co"):
            return f"the unassigned character U+{ord(character):04X}"
    return "text decoded with the wrong character table" if is_bad(caption) else None


def repeated_run(words: list[str]) -> tuple[str, int] | None:
    """Return the phrase that is said over and over without a break, and how many times, or None.

    A single word counts from three times in a row ("very very" is English), a phrase of two to `LONGEST_PHRASE` words
    from twice in a row. Among several, the one that covers most words is returned.
    """
    best: tuple[int, str, int] | None = None
    for size in range(1, min(LONGEST_PHRASE, len(words) // 2) + 1):
        start = 0
        while start + size < len(words):
            times = 1
            phrase = words[start : start + size]
            while words[start + times * size : start + (times + 1) * size] == phrase:
                times += 1
            if times >= (3 if size == 1 else 2) and (best is None or size * times > best[0]):
                best = (size * times, " ".join(phrase), times)
            start += 1 if times == 1 else (times - 1) * size + 1
    return best[1:] if best else None


def repeated_share(words: list[str]) -> float:
    """Return the share of three-word phrases that occurred before in the same caption, from 0 to 1.

    References:
        Scaling Language Models: Methods, Analysis & Insights from Training Gopher (Rae et al., 2021), whose filter of
        repetitions this is. https://arxiv.org/abs/2112.11446
    """
    phrases = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(phrases)) / len(phrases) if phrases else 0.0


def repetition(words: list[str]) -> str | None:
    """Return how a caption repeats itself, or None when it does not.

    Besides a run, more than `MOST_REPEATED` repeated phrases count once there are `FEWEST_PHRASES` of them: that finds
    loops with one changing word.
    """
    run = repeated_run(words)
    if run:
        return f"'{run[0]}' {run[1]} times in a row"
    share = repeated_share(words)
    if len(words) - 2 >= FEWEST_PHRASES and share > MOST_REPEATED:
        return f"{share:.0%} of its phrases are repeated"
    return None


def made_up_word(words: list[str]) -> str | None:
    """Return the first word of a caption that only captioning models use, or None."""
    return next((word for word in words if _MADE_UP.fullmatch(word)), None)
