"""Checks of captions: each finds what it is for and leaves good captions alone; the report holds the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.quality.entries import read_entries
from captioning.quality.findings import KINDS, Entry
from captioning.quality.inspect import Inspection, inspect, units
from captioning.quality.leaks import leak_table, leaks
from captioning.quality.length import token_counts
from captioning.quality.report import render, write_report
from captioning.quality.similar import near_identical
from captioning.quality.single import damaged_characters, made_up_word, repeated_run, repetition, words_of
from captioning.text import join_text
from models.errors import UserError
from models.files import sha256_bytes
from models.vocabulary import DEGRADATIONS

GOOD = (
    "there is a woman with long blonde hair smiling at the camera",
    "a very very old bridge over the river, and a man's boat",
    "two dogs and two cats on a café chair – side by side",
    "a black and white photo of a man in a black and white shirt",
)


def entry(caption: str, *, image: str = "", split: str = "train", types: tuple[str, ...] = ("noisy",)) -> Entry:
    digest = sha256_bytes((image or caption).encode("utf-8", "surrogateescape"))
    texts = tuple(join_text(caption, word) for word in types)
    return Entry(split, f"s/{split}/{digest[:6]}", digest, caption, types, texts)


def kinds(found: Inspection, index: int) -> set[str]:
    return {finding.kind for finding in found.findings if finding.entry == index}


BAD = {
    "empty": " \t",
    "characters": "a caf\u00c3\u00a9 by the sea",
    "repetition": "there is a bald bald bald man",
    "made-up-word": "arafed man with a red hat",
    "too-long": "a " + " ".join(f"green tree {n}" for n in range(30)),
    "picture-word": "a blurry photo of a horse",
    "scene-word": "a house in the snow",
}


@pytest.mark.parametrize("kind", BAD)
def test_each_check_finds_its_kind(kind: str) -> None:
    found = inspect([entry(GOOD[0]), entry(BAD[kind])])
    assert kinds(found, 0) == set()
    assert kind in kinds(found, 1)


@pytest.mark.parametrize("caption", GOOD)
def test_good_captions_have_no_findings(caption: str) -> None:
    assert inspect([entry(caption)]).findings == []


def test_every_kind_has_a_test_here() -> None:
    assert set(BAD) | {"identical", "near-identical", "inconsistent"} == set(KINDS)


@given(st.lists(st.sampled_from("abcd"), max_size=12))
def test_a_repeated_run_is_there_and_none_is_missed(words: list[str]) -> None:
    text = "".join(words)
    possible = [
        (start, size, times)
        for size in range(1, 7)
        for times in range(3 if size == 1 else 2, 13)
        for start in range(len(text) - size * times + 1)
        if text[start : start + size * times] == text[start : start + size] * times
    ]
    found = repeated_run(words)
    assert (found is None) == (not possible)
    if found:
        phrase, times = found
        assert phrase.replace(" ", "") * times in text
        assert len(phrase.split()) * times == max(size * times for _, size, times in possible)


def test_repetition_says_what_is_repeated() -> None:
    assert repetition(words_of("bald bald bald")) == "'bald' 3 times in a row"
    assert repetition(words_of("a man, a man with a hat")) == "'a man' 2 times in a row"
    loop = "a cup of tea next to a cup of water next to a cup of tea next to a cup of milk"
    assert repeated_run(words_of(loop)) is None
    assert repetition(words_of(loop)) == "50% of its phrases are repeated"
    assert made_up_word(words_of("Yasser Arafat")) is None


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        ("a\tb", "U+0009"),
        ("a\x00b", "U+0000"),
        ("a\u2028b", "U+2028"),
        ("lost \ufffd", "U+FFFD"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), "byte 0xe9 is no UTF-8"),
        ("a manâ€™s hat", "wrong character table"),
        ("\ue000", "U+E000"),
    ],
)
def test_damaged_characters_are_named(caption: str, reason: str) -> None:
    told = damaged_characters(caption)
    assert told is not None
    assert reason in told


def test_tokens_are_those_of_clip_with_start_and_end() -> None:
    import open_clip

    texts = [*GOOD, "a cat: rainy", ""]
    rows = open_clip.tokenize(texts)
    assert token_counts(texts) == [int((row != 0).sum()) for row in rows]
    exact = "a " * 75
    found = inspect([entry(exact.strip()), entry("the " * 76)])
    assert found.tokens == [77, 78]
    assert found.text_tokens[0] == 79
    told = {f.entry: f.detail for f in found.findings if f.kind == "too-long"}
    assert told == {0: "79 tokens with the degradation, 77 are read", 1: "78 tokens, 77 are read"}


@given(
    st.lists(st.lists(st.sampled_from("abcdefg"), max_size=8), max_size=25),
    st.sampled_from([0.5, 0.6, 0.75, 0.8, 1.0]),
)
def test_near_identical_is_what_comparing_all_pairs_finds(texts: list[list[str]], threshold: float) -> None:
    sets = [set(words) for words in texts]
    expected = {}
    for i, words in enumerate(sets):
        alike = [
            (-len(words & other) / len(words | other), j)
            for j, other in enumerate(sets)
            if j != i and words and len(words & other) / len(words | other) >= threshold
        ]
        if alike:
            likeness, partner = min(alike)
            expected[i] = (partner, -likeness)
    assert near_identical(texts, threshold=threshold) == expected


def test_captions_are_compared_over_different_images_only() -> None:
    words = "one two three four five six seven eight nine"
    found = inspect(
        [
            entry(words, image="A"),
            entry(words.upper() + ".", image="B"),
            entry(words + " ten", image="C"),
            entry("quite another thing", image="A"),
        ]
    )
    told = [(f.kind, f.entry, f.detail, f.other) for f in found.findings]
    key = [e.key for e in found.entries]
    assert told == [
        ("identical", 0, "shared by 2 images", key[1]),
        ("identical", 1, "shared by 2 images", key[0]),
        ("near-identical", 0, "90% of the words in common", key[2]),
        ("near-identical", 1, "90% of the words in common", key[2]),
        ("near-identical", 2, "90% of the words in common", key[0]),
        ("inconsistent", 3, f"its first caption is {words!r}", key[0]),
    ]
    assert found.repeats == [(words, 2)]


@pytest.mark.parametrize("word", DEGRADATIONS)
def test_every_degradation_word_is_found_and_named(word: str) -> None:
    assert [leak.degradation for leak in leaks(f"a picture, {word.upper()}")] == [word]


def test_words_of_the_picture_are_told_from_words_of_the_scene() -> None:
    told = {leak.word: (leak.degradation, leak.describes) for leak in leaks("Grainy low-light photo of rain at night")}
    assert told == {
        "grainy": ("noisy", "picture"),
        "low-light": ("low-light", "picture"),
        "rain": ("rainy", "scene"),
        "night": ("low-light", "scene"),
    }
    assert leaks("a train in bahrain, a knight with a snowden mask-like shame") == leaks("a mask-like")
    assert [leak.word for leak in leaks("raindrops on a window")] == ["raindrops"]


def test_shares_tell_captions_that_were_made_from_degraded_images() -> None:
    entries = [entry(f"a street {n} in the rain", types=("rainy",)) for n in range(3)]
    entries += [entry("a dry street", types=("rainy",)), entry("rain on a roof", types=("noisy", "hazy"))]
    (row,) = leak_table(entries, [leaks(e.caption) for e in entries])
    assert (row.word, row.captions, row.own_share, row.other_share) == ("rain", 4, 0.75, 1.0)


def test_files_with_bytes_that_are_no_utf8_are_read_and_told(tmp_path: Path) -> None:
    buffers = pa.array([b"a caf\xe9", b"a cat", b"a cat"], pa.binary()).buffers()
    captions = pa.StringArray.from_buffers(3, buffers[1], buffers[2])
    columns: dict[str, Any] = {name: ["x/1", "x/2", "x/3"] for name in ("key", "text")}
    columns |= {"degradation": ["noisy", "noisy", "rainy"], "clean_sha256": ["A", "B", "B"], "caption": captions}
    file = tmp_path / "train.parquet"
    pq.write_table(pa.table(columns), file)
    entries = read_entries({"train": file})
    assert [(e.key, e.degradations) for e in entries] == [("x/1", ("noisy",)), ("x/2", ("noisy", "rainy"))]
    found = inspect(entries)
    assert [(f.kind, f.detail) for f in found.findings] == [("characters", "the byte 0xe9 is no UTF-8")]
    write_report(tmp_path / "report", found, title="t")
    (row,) = pq.read_table(tmp_path / "report" / "findings.parquet").to_pylist()
    assert (row["kind"], row["caption"]) == ("characters", "a caf\\udce9")
    file.write_bytes(b"PAR1")
    with pytest.raises(UserError, match="cannot be read"):
        read_entries({"train": file})


def test_the_report_counts_and_is_the_same_again(tmp_path: Path) -> None:
    entries = [entry(caption, split="train" if n % 2 else "test") for n, caption in enumerate([*GOOD, *BAD.values()])]
    done: list[int] = []
    found = inspect(entries, progress=done.append)
    assert done == sorted(done)
    assert done[-1] == units(entries)
    for folder in (tmp_path / "a", tmp_path / "b"):
        write_report(folder, found, title="x | y")
    for name in ("report.md", "findings.parquet", "captions.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    text = (tmp_path / "a" / "report.md").read_text(encoding="utf-8")
    assert "| found | train | test |" in text
    assert f"| captions, one an image | {len(entries) // 2} | {len(entries) - len(entries) // 2} |" in text
    assert "'bald' 3 times in a row" in text
    measured = pq.read_table(tmp_path / "a" / "captions.parquet").to_pylist()
    assert [row["words"] for row in measured[:4]] == [12, 12, 12, 14]
    assert render(inspect([]), title="nothing").startswith("# Captions of nothing")
