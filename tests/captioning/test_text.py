"""Texts and the authors' caption files: what is joined is found again, whatever the caption holds."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.captioners.contract import CleanImage
from captioning.captioners.csv import CsvCaptioner, NamedRow, match_titles
from captioning.text import join_text, join_words, split_text, split_words
from captioning.titles import file_name, parse_titles, render_titles
from models.errors import UserError
from models.vocabulary import DEGRADATIONS

CAPTIONS = st.text(st.characters(codec="utf-8"))
WORDS = st.lists(st.sampled_from([*DEGRADATIONS, "blur", "jpeg block", "ringing artifact"]), min_size=1, unique=True)


@given(CAPTIONS, WORDS)
def test_caption_and_words_of_a_mixture_come_back_out_of_the_text(caption: str, words: list[str]) -> None:
    told, degradation = split_text(join_text(caption, words))
    assert (told, split_words(degradation)) == (caption, tuple(words))


def test_a_mixture_reads_as_words_with_commas_and_one_word_as_itself() -> None:
    assert join_text("a sign: stop: now", ["blur", "noise"]) == "a sign: stop: now: blur, noise"
    assert join_text("a cat", "rainy") == join_text("a cat", ["rainy"]) == "a cat: rainy"
    assert split_text("no degradation") == ("no degradation", "")
    assert split_words("") == ()


@pytest.mark.parametrize("word", ["a, b", "a: b", "", " a", "a "])
def test_words_that_would_not_be_found_again_are_refused(word: str) -> None:
    with pytest.raises(UserError, match="cannot stand in a list"):
        join_words([word])
    if ": " in word:
        with pytest.raises(UserError, match="cannot stand in a text"):
            join_text("a cat", word)


ROWS = st.lists(st.tuples(st.just("data/val/rainy/LQ/1.png"), CAPTIONS, st.sampled_from(DEGRADATIONS)), min_size=1)


@given(ROWS)
def test_caption_files_are_those_of_pandas_byte_for_byte(rows: list[tuple[str, str, str]]) -> None:
    rows = [(path, caption.replace("\r", ""), word) for path, caption, word in rows]
    frame = pd.DataFrame({"filepath": [r[0] for r in rows], "title": [f"{r[1]}: {r[2]}" for r in rows]})
    buffer = io.BytesIO()
    frame.to_csv(buffer, sep="\t", index=False)
    assert render_titles(rows) == buffer.getvalue()


@given(ROWS)
def test_captions_with_tabs_quotes_and_line_ends_survive_the_file(rows: list[tuple[str, str, str]]) -> None:
    data = render_titles(rows)
    titles = parse_titles(data, name="daclip_val.csv")
    assert [(t.caption, t.words, t.split, t.degradation, t.stem) for t in titles] == [
        (caption, (word,), "test", "rainy", "1") for _, caption, word in rows
    ]
    seen = pd.read_csv(io.BytesIO(data), sep="\t", keep_default_na=False)  # as open_clip's trainer reads it
    assert seen["title"].tolist() == [f"{caption}: {word}" for _, caption, word in rows]


def test_split_and_type_come_from_the_path_else_from_file_name_and_title() -> None:
    data = b"filepath\ttitle\nd\\train\\mixed\\LQ\\a.b.png\tx: blur, noise\n4.png\ty: snowy\n"
    first, second = parse_titles(b"\xef\xbb\xbf" + data, name="here/daclip_val.csv")
    assert (first.split, first.degradation, first.words, first.stem) == ("train", "mixed", ("blur", "noise"), "a.b")
    assert (second.split, second.degradation, second.words, second.stem) == ("test", "snowy", ("snowy",), "4")
    assert parse_titles(data, name="other.csv")[1].split is None
    assert (file_name("train"), file_name("test")) == ("daclip_train.csv", "daclip_val.csv")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"filepath,title\na,b: rainy\n", "needs the tab-separated columns filepath and title"),
        (b"", "needs the tab-separated columns"),
        (b"filepath\ttitle\na.png\tfine: rainy\nb.png\tno word\n", "line 3: 'no word' does not end in"),
        (b"filepath\ttitle\nb.png\ta sign: Hello, World!\n", "line 2: .* does not end in"),
        (b"filepath\ttitle\n\ta: rainy\n", "line 2: the filepath is empty"),
        (b"filepath\ttitle\na.png\t\xff: rainy\n", r"not UTF-8 \(byte 21\)"),
    ],
)
def test_a_broken_caption_file_is_refused_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_titles(data, name="daclip_train.csv")


def row(key: str, digest: str, *names: str) -> NamedRow:
    _, split, degradation, _ = key.split("/")
    return NamedRow(key, split, degradation, digest, names)


def test_captions_go_to_pairs_by_split_type_and_file_name(tmp_path) -> None:
    file = tmp_path / "daclip_train.csv"
    rows = [("train/noisy/LQ/1.jpg", "one", "noisy"), ("train/noisy/LQ/2.png", "two", "noisy")]
    file.write_bytes(render_titles([*rows, ("train/rainy/LQ/1.png", "other", "rainy")]))
    pairs = [row("s/train/noisy/2", "B", "2"), row("s/train/noisy/1", "A", "1"), row("s/test/noisy/1", "C", "1")]
    captioner = CsvCaptioner([tmp_path], pairs)
    assert captioner.caption([CleanImage("A", "a", None), CleanImage("B", "b", None)]) == ["one", "two"]
    assert (captioner.unused, captioner.conflicts, captioner.name) == (1, (), "csv")
    with pytest.raises(UserError, match="no caption for s/test/noisy/1 in the caption files"):
        captioner.caption([CleanImage("C", "s/test/noisy/1", None)])
    with pytest.raises(UserError, match=r"none of the 3 rows of .* fits a pair"):
        CsvCaptioner([file], [row("s/train/snowy/1", "A", "1")])
    with pytest.raises(UserError, match="holds neither"):
        CsvCaptioner([tmp_path.parent], pairs)


def test_the_first_row_of_a_clean_image_wins_and_others_are_told() -> None:
    data = render_titles([("train/noisy/LQ/1.png", "first", "noisy"), ("train/rainy/LQ/1.png", "second", "rainy")])
    titles = parse_titles(data, name="x.csv")
    pairs = [row("s/train/noisy/1", "A", "1"), row("s/train/rainy/1", "A", "1")]
    assert match_titles(titles, pairs).captions == {"A": "first"}
    assert match_titles(titles, pairs).conflicts == ("s/train/rainy/1",)
    assert match_titles(titles, pairs[::-1]).captions == {"A": "second"}


def test_a_name_that_two_pairs_share_identifies_neither() -> None:
    titles = parse_titles(render_titles([("train/noisy/LQ/1.png", "which", "noisy")]), name="x.csv")
    pairs = [row("a/train/noisy/1", "A", "1"), row("b/train/noisy/1", "B", "1")]
    assert match_titles(titles, pairs).captions == {}
    longer = parse_titles(render_titles([("train/noisy/LQ/b_1.png", "b's", "noisy")]), name="x.csv")
    named = [row("a/train/noisy/1", "A", "1", "a_1"), row("b/train/noisy/1", "B", "1", "b_1")]
    assert match_titles(longer, named).captions == {"B": "b's"}
