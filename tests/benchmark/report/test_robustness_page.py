"""The pages about robustness: means, curves, and what makes an image worse than it was."""

from __future__ import annotations

import io
from dataclasses import replace

from made_results import bold, make_robustness
from PIL import Image

from benchmark.evaluation.robustness.cases import CASES, chosen_cases
from benchmark.report.robustness import metric_sections, robustness_boards
from benchmark.tables.view import Section

FEW = chosen_cases(["hazy", "noisy", "ringing", "hazy+rainy"])


def texts(section: Section) -> list[list[str]]:
    return [[cell.text for cell in row] for row in section.rows]


def test_means_count_every_case_and_level_the_same_and_the_best_is_bold() -> None:
    board = robustness_boards([make_robustness("a", FEW, 30.0), make_robustness("b", FEW, 31.0)])[0]
    parts = metric_sections(board, "psnr")
    assert [part.title for part in parts] == [
        "PSNR ↑ (dB)",
        "The ten types: PSNR ↑",
        "Unseen degradations: PSNR ↑",
        "Mixed degradations: PSNR ↑",
    ]
    # From 30 dB down by 2 a level (6 in the mean) and by 1 a case: 0.5 over the first two, 2 and 3 for the others.
    assert texts(parts[0])[0] == ["A", "23.50", "22.00", "21.00", "26.50", "24.50", "22.50", "20.50", "18.50", "22.50"]
    assert bold(parts[0], "All") == ["B"]
    assert texts(parts[1])[0] == ["Hazy", "A", "28.00", "26.00", "24.00", "22.00", "20.00", "24.00"]
    assert [row[0] for row in texts(parts[1])] == ["Hazy", "", "Noisy", ""]


def test_the_input_comes_first_and_what_is_worse_than_it_is_counted() -> None:
    results = [make_robustness("better", FEW, 31.0), make_robustness("same", FEW, 30.001)]
    worse = make_robustness("worse", FEW, 29.0)
    board = robustness_boards([*results, worse, make_robustness("zero", FEW, 30.0, network="input")])[0]
    rows = {row[0]: row[-1] for row in texts(metric_sections(board, "psnr")[0])}
    assert rows == {"ZERO": "-", "BETTER": "0 of 20", "SAME": "0 of 20", "WORSE": "20 of 20"}
    assert next(iter(rows)) == "ZERO"


def test_what_went_through_other_degradations_or_images_stands_on_another_page() -> None:
    a = make_robustness("a", FEW, 30.0)
    others = [
        replace(a, degradation_seed=1),
        make_robustness("a", FEW[:2], 30.0),
        replace(a, test_set=replace(a.test_set, digest="ef" * 32)),
    ]
    boards = robustness_boards([a, *others, make_robustness("b", FEW, 31.0)])
    assert sorted(len(board.results) for board in boards) == [1, 1, 1, 2]
    assert len({board.name for board in boards}) == 4
    assert [board.name for board in robustness_boards([a])] == ["photos.modern"]


def test_the_page_names_protocol_specs_missing_metrics_and_commands() -> None:
    board = robustness_boards([make_robustness("a", FEW, 30.0)])[0]
    page = board.page()
    assert "PSNR `modern v1` (RGB, no crop)" in page
    assert "noise(sigma=50)" in page
    assert "`bench robustness --data photos`" in page
    assert "![PSNR by severity](photos.modern.psnr.png)" in page
    assert "Hazy + Rainy" in page
    assert "LPIPS is missing: put alexnet.pth in the cache" in page


def test_a_figure_has_a_panel_a_case_and_follows_the_numbers_alone() -> None:
    everything = tuple(CASES.values())
    board = robustness_boards([make_robustness("a", everything, 60.0), make_robustness("b", everything, 61.0)])[0]
    drawings = board.drawings()
    assert set(drawings) == {"photos.modern.psnr.png", "photos.modern.ssim.png"}
    png = drawings["photos.modern.psnr.png"].png()
    assert png == board.drawings()["photos.modern.psnr.png"].png()
    assert Image.open(io.BytesIO(png)).size[0] == 1560
    other = robustness_boards([make_robustness("a", everything, 59.0), make_robustness("b", everything, 61.0)])[0]
    assert other.drawings()["photos.modern.psnr.png"].digest != drawings["photos.modern.psnr.png"].digest
    assert other.drawings()["photos.modern.ssim.png"].digest == drawings["photos.modern.ssim.png"].digest
