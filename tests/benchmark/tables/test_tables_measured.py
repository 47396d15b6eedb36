"""Measured rows stand in sections of one test set and protocol, and the best is bold within one."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_results import bold, make_result

from benchmark.report.leaderboard import table_sections
from benchmark.results.paired_tests import LEGEND
from benchmark.results.restoration import Result
from benchmark.tables import TABLES
from benchmark.tables.restoration import measured_sections
from benchmark.tables.view import Cell, Records, embolden
from models.errors import UserError

SCORED = ("2a", "2b", "2c", "2d", "3")


@pytest.mark.parametrize(
    "change",
    [{"protocol": "modern"}, {"version": 2}, {"digest": "ef" * 32}],
    ids=["protocol", "protocol version", "test set"],
)
def test_one_section_refuses_a_mix_of_protocols_or_test_sets(change: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="one column cannot mix"):
        measured_sections(TABLES["3"], [make_result("a", 20.0), make_result("b", 30.0, **change)])


def test_bold_never_crosses_sections() -> None:
    records = Records(
        results=[
            make_result("a", 20.0),
            make_result("b", 21.0),
            make_result("c", 90.0, protocol="modern"),
            make_result("d", 80.0, protocol="modern"),
            make_result("e", 10.0, digest="ef" * 32),
            make_result("f", 11.0, digest="ef" * 32),
        ]
    )
    sections = [s for s in table_sections("3", records=records) if s.level == 2]
    assert [s.kind for s in sections] == ["published", "measured", "measured", "measured"]
    assert [bold(s, "PSNR") for s in sections] == [["NAFNet + DA-CLIP"], ["B"], ["F"], ["C"]]
    assert [len(s.rows) for s in sections[1:]] == [2, 2, 2]


def test_table_3_shows_each_type_and_the_mean_for_measured_rows() -> None:
    records = Records(results=[make_result("a", 20.0), make_result("b", 21.0)])
    parts = [s for s in table_sections("3", records=records) if s.level == 3]
    assert [s.title for s in parts] == ["PSNR ↑ per type", "SSIM ↑ per type"]
    assert len(parts[0].headers) == 12
    assert [cell.text for cell in parts[0].rows[0]] == ["B", *[f"{21 + i}.00" for i in range(10)], "25.50"]


def test_a_missing_number_is_a_dash_and_a_line_says_what_would_fill_it() -> None:
    section = measured_sections(TABLES["3"], [make_result("a", 20.0)])[0]
    heads = [cell.text for cell in section.headers]
    assert section.rows[0][heads.index("LPIPS ↓")].text == "-"
    assert section.rows[0][heads.index("FID ↓")].text == "-"
    assert "LPIPS is missing: put alexnet.pth in the cache" in section.remarks


def test_a_measured_section_states_test_set_protocol_interval_count_commit_and_command() -> None:
    section = measured_sections(TABLES["3"], [make_result("a", 20.0)])[0]
    assert "daclip v1" in section.title
    assert "cdcdcdcdcdcd" in section.intro[0]
    row = {head.text: cell.text for head, cell in zip(section.headers, section.rows[0], strict=True)}
    assert row["95 % interval"] == "[1.00, 2.00]"
    assert row["n"] == "20"
    assert row["Parameters"] == "1.25 M"
    label, command_line, rest = section.births[0]
    assert (label, command_line) == ("A", "bench eval --table 3")
    assert "commit" in rest or "outside git" in rest


def test_table_2_shows_only_its_own_type_and_source() -> None:
    records = Records(
        results=[
            make_result("a", 20.0, types=("rainy",), test_set="rain100h", protocol="daclip-derain-y"),
            make_result("b", 20.0, types=("rainy",), test_set="strange"),
            make_result("c", 20.0, types=("low-light",), test_set="lol", protocol="daclip-table2"),
            make_result("d", 20.0),
        ]
    )
    shown = {
        name: [row[0].text for s in table_sections(name, records=records) if s.kind == "measured" for row in s.rows]
        for name in SCORED
    }
    assert {name: set(rows) for name, rows in shown.items()} == {
        "2a": {"A"},
        "2b": {"C"},
        "2c": set(),
        "2d": set(),
        "3": {"D"},
    }


def test_equal_printed_digits_are_bold_together_and_a_lone_number_is_not() -> None:
    cells = [Cell(text="2.50"), Cell(text="2.50"), Cell(text="-"), Cell(text="1.00")]
    assert [c.bold for c in embolden(cells, higher_is_better=True)] == [True, True, False, False]
    assert [c.bold for c in embolden(cells, higher_is_better=False)] == [False, False, False, True]
    assert not any(c.bold for c in embolden([Cell(text="1.00"), Cell(text="-")], higher_is_better=True))


def test_an_infinite_psnr_is_shown_and_wins() -> None:
    section = measured_sections(TABLES["3"], [make_result("clean", math.inf), make_result("a", 20.0)])[0]
    assert section.rows[0][1].text == "∞"
    assert bold(section, "PSNR") == ["CLEAN"]


def test_a_test_set_scored_only_in_part_says_so() -> None:
    result = make_result("a", 20.0)
    part = replace(result, test_set=replace(result.test_set, n=100))
    section = measured_sections(TABLES["3"], [part])[0]
    assert "20 of 100" in [cell.text for cell in section.rows[0]]


def test_a_measured_section_says_what_its_protocol_does_in_each_column() -> None:
    section = measured_sections(TABLES["3"], [make_result("a", 20.0)])[0]
    assert section.intro[1] == (
        "Protocol of each column: PSNR `daclip v1` (RGB, crop 4); SSIM `daclip v1` (RGB, crop 4, 11x11 Gaussian "
        "window); LPIPS `daclip v1` (alex, RGB, float, unclamped); FID `daclip v1` (pytorch-fid)."
    )
    of_another_version = measured_sections(TABLES["3"], [make_result("a", 20.0, version=7)])[0]
    assert "PSNR `daclip v7`; SSIM `daclip v7`" in of_another_version.intro[1]


def test_a_metric_that_is_no_part_of_a_protocol_is_no_column_and_a_further_one_is() -> None:
    result = make_result("a", 20.0, protocol="restormer-y")
    heads = [cell.text for cell in measured_sections(TABLES["3"], [replace(result, missing={})])[0].headers]
    assert heads == ["Method", "PSNR ↑", "95 % interval", "SSIM ↑", "n", "Parameters", "s / image"]
    more = make_result("a", 20.0, protocol="modern", more={"kid": 0.01})
    assert "KID ↓" in [cell.text for cell in measured_sections(TABLES["3"], [more])[0].headers]


def per_image(result: Result, *, lift: float, spread: float) -> list[dict[str, object]]:
    noise = np.random.default_rng(7).normal(0, spread, size=20)
    noise -= noise.mean()
    keys = [(word, i) for word in result.groups for i in range(2)]
    return [
        {"key": f"{word}/{i}", "degradation": word, "psnr": 20 + lift + e, "ssim": 0.5}
        for (word, i), e in zip(keys, noise, strict=True)
    ]


def test_what_is_as_good_as_the_best_by_paired_tests_carries_a_mark_and_a_legend() -> None:
    results = {name: make_result(name, psnr) for name, psnr in (("best", 20.1), ("near", 20.0), ("far", 15.0))}
    rows = {
        "best": per_image(results["best"], lift=0.1, spread=0.0),
        "near": per_image(results["near"], lift=0.0, spread=1.0),
        "far": per_image(results["far"], lift=-5.0, spread=1.0),
    }
    section = measured_sections(TABLES["3"], list(results.values()), per_image=lambda result: rows[result.method.name])[
        0
    ]
    assert [row[1].text for row in section.rows] == ["24.60", "24.50°", "19.50"]
    assert bold(section, "PSNR") == ["BEST"]
    assert LEGEND in section.remarks
    without = measured_sections(TABLES["3"], list(results.values()))[0]
    assert [row[1].text for row in without.rows] == ["24.60", "24.50", "19.50"]
    assert LEGEND not in without.remarks
