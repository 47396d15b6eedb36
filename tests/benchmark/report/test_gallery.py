"""The gallery is one page that holds every picture and asks the network for nothing."""

from __future__ import annotations

import base64
import io
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from benchmark.report.gallery import GalleryItem, RestoredImage, render_gallery, write_gallery
from benchmark.tables.view import Cell, Section
from models.errors import UserError

CLEAN = np.ascontiguousarray(data.astronaut()[100:148, 200:264])


def item(key: str, degradation: str, **changes: object) -> GalleryItem:
    return replace(
        GalleryItem(
            key=key,
            degradation=degradation,
            degraded=CLEAN // 2,
            clean=CLEAN,
            restored={
                "NAFNet": RestoredImage(CLEAN - CLEAN // 4, 20.0),
                "NAFNet + DA-CLIP": RestoredImage(CLEAN, math.inf),
            },
            degraded_psnr=12.3449,
        ),
        **changes,  # type: ignore[arg-type]
    )


ITEMS = [item("demo/b/noisy", "noisy"), item("demo/z/hazy", "hazy"), item("demo/a/noisy", "noisy")]


@pytest.fixture(scope="module")
def page() -> str:
    return render_gallery(title="Demo", intro="Trained for seconds.", items=ITEMS)


def test_every_key_is_shown_sorted_by_degradation_and_then_by_key(page: str) -> None:
    assert re.findall(r"<h3>(.*?)</h3><code>(.*?)</code>", page) == [
        ("Hazy", "demo/z/hazy"),
        ("Noisy", "demo/a/noisy"),
        ("Noisy", "demo/b/noisy"),
    ]


def test_the_page_asks_for_nothing_outside_itself(page: str) -> None:
    assert not re.search(r"https?://", page)
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!data:image/png;base64,)""", page)
    assert not re.search(r"@import|url\(|<link|<iframe|fetch\(", page)
    assert "default-src 'none'" in page


def test_the_pictures_inside_are_the_pixels_that_were_given(page: str) -> None:
    sources = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(sources) == 4 * len(ITEMS)
    first = [np.asarray(Image.open(io.BytesIO(base64.b64decode(source)))) for source in sources[:4]]
    assert np.array_equal(first[0], CLEAN // 2)
    assert np.array_equal(first[2], CLEAN)
    assert np.array_equal(first[3], CLEAN)


def test_scores_are_shown_and_the_slider_starts_with_the_best_method(page: str) -> None:
    assert page.count("12.34 dB") == len(ITEMS)
    assert page.count('class="score best">∞ dB') == len(ITEMS)
    assert page.count('data-start="NAFNet + DA-CLIP"') == len(ITEMS)
    assert page.count('type="range"') == len(ITEMS)


def test_a_degraded_image_that_beats_every_method_is_marked_best() -> None:
    worse = {"NAFNet": RestoredImage(CLEAN // 3, 9.0)}
    text = render_gallery(title="Demo", items=[item("a", "hazy", restored=worse)])
    assert re.findall(r'class="score best">([^<]+)', text) == ["12.34 dB"]
    assert re.findall(r'class="score">([^<]+)', text) == ["9.00 dB"]


def test_an_item_without_clean_image_or_scores_is_shown_too() -> None:
    bare = item("mine", "rainy", clean=None, degraded_psnr=None, restored={"NAFNet": RestoredImage(CLEAN)})
    text = render_gallery(title="Demo", items=[bare])
    assert len(re.findall(r"data:image/png", text)) == 2
    assert 'data-start="NAFNet"' in text
    assert 'class="score' not in text


def test_text_is_escaped() -> None:
    hostile = item("<script>alert(1)</script>", "hazy", caption="a & b")
    text = render_gallery(title="<b>", items=[hostile])
    assert "<script>alert" not in text
    assert "<b></h1>" not in text
    assert "a &amp; b" in text


def test_a_summary_table_stands_on_top_with_its_best_in_bold() -> None:
    section = Section(
        title="Table 3, measured",
        kind="measured",
        headers=(Cell(text="Method"), Cell(text="PSNR")),
        numeric=(False, True),
        rows=((Cell(text="NAFNet"), Cell(text="20.00", bold=True)), (Cell(text="Input"), Cell(text="12.00"))),
    )
    text = render_gallery(title="Demo", summary=[section], items=ITEMS[:1])
    assert text.index("Table 3, measured") < text.index("demo/b/noisy")
    assert '<td class="num"><strong>20.00</strong></td>' in text


def test_the_file_is_the_page_and_the_same_items_give_the_same_bytes(tmp_path: Path) -> None:
    path = write_gallery(tmp_path / "out" / "gallery.html", title="Demo", items=ITEMS)
    again = write_gallery(tmp_path / "again.html", title="Demo", items=reversed(ITEMS))
    assert path.read_bytes() == again.read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"degraded": CLEAN.astype(np.float32)},
        {"clean": CLEAN[:-1]},
        {"restored": {"NAFNet": RestoredImage(CLEAN[..., 0])}},
        {"degradation": "Hazy day"},
    ],
    ids=["float pixels", "another size", "grey", "no word"],
)
def test_pictures_that_do_not_fit_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UserError):
        item("a", **{"degradation": "hazy", **changes})  # type: ignore[arg-type]
