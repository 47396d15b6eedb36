"""What Table 2 really measures, and how far one method moves between protocols."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_results import make_result

from benchmark.report.leaderboard import PUBLISHED, table_page
from benchmark.results.parts import Score
from benchmark.results.restoration import Result
from benchmark.tables import protocol_gap
from benchmark.tables.reproduction import build
from benchmark.tables.reruns import find_reruns
from benchmark.tables.view import Records, Section

RAIN = {"types": ("rainy",), "test_set": "rain100h", "n": 100}


def prenet(protocol: str, psnr: float, **metrics: float) -> Result:
    return make_result("prenet", psnr, protocol=protocol, more=metrics, **RAIN)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def records() -> Records:
    """Return PReNet under three protocols: brightness gives the printed PSNR and SSIM, nothing gives the FID."""
    return Records(
        results=[
            prenet("daclip-derain-y", 29.46, ssim=0.8989, lpips=0.1284, fid=60.0),
            prenet("daclip-table2", 28.05, ssim=0.8801, lpips=0.1284, fid=60.0),
            prenet("modern", 28.05, ssim=0.8801, lpips=0.1351, fid=60.0),
        ]
    )


def section(sections: list[Section], title: str) -> Section:
    return next(s for s in sections if s.title == title)


def texts(found: Section) -> list[list[str]]:
    return [[cell.text for cell in row] for row in found.rows]


def test_each_printed_cell_is_told_by_which_protocols_it_is_reproduced(records: Records) -> None:
    found = section(build(published=PUBLISHED, records=records), "Which protocol gives which printed cell")
    assert texts(found) == [
        ["2a PReNet", "PSNR", "29.46", "29.46", "[1.00, 2.00]", "+0.00", "daclip-derain-y", "daclip-derain-y"],
        ["2a PReNet", "SSIM", "0.899", "0.899", "[1.000, 2.000]", "-0.000", "daclip-derain-y", "daclip-derain-y"],
        [
            "2a PReNet",
            "LPIPS",
            "0.128",
            "0.128",
            "[1.000, 2.000]",
            "+0.000",
            *["daclip-table2"],
            "daclip-table2, daclip-derain-y",
        ],
        ["2a PReNet", "FID", "52.67", "60.00", "[1.00, 2.00]", "+7.33", "daclip-table2", "none"],
    ]
    assert found.intro[0].startswith("3 of 4 printed cells are reproduced")


def test_a_row_stands_beside_the_print_under_every_protocol_with_its_notes(records: Records) -> None:
    found = section(build(published=PUBLISHED, records=records), "2a PReNet")
    rows = texts(found)
    assert [row[0] for row in rows] == ["printed", "daclip-table2 v1", "daclip-derain-y v1", "modern v1"]
    assert rows[0][1] == "29.46"
    assert rows[1][1:4] == ["28.05", "-1.41", "[1.00, 2.00]"]
    assert rows[2][1:4] == ["29.46 ✓", "+0.00", "[1.00, 2.00]"]
    assert [cell.bold for cell in found.rows[2]][:5] == [False, True, False, False, True]
    assert any("truncated to 8 bits" in line for line in found.intro)
    assert found.births[0][1] == "bench eval --table 3"


@pytest.mark.parametrize(
    ("psnr", "fid", "expected"),
    [
        (29.494, 53.21, {"psnr": True, "fid": False}),
        (29.426, 53.18, {"psnr": True, "fid": True}),
        (29.50, 52.13, {"psnr": False, "fid": False}),
        (29.41, 52.15, {"psnr": False, "fid": True}),
    ],
)
def test_a_cell_counts_as_reproduced_within_its_digits_and_the_margin_alone(
    psnr: float, fid: float, expected: dict[str, bool]
) -> None:
    rerun = next(r for r in find_reruns(PUBLISHED, Records(results=[prenet("modern", psnr, fid=fid)])) if r.results)
    assert {metric: rerun.reproduces(rerun.results[0], metric) for metric in expected} == expected
    assert not rerun.reproduces(rerun.results[0], "lpips")


def test_networks_trained_here_and_other_test_sets_are_no_reruns(records: Records) -> None:
    trained = [
        replace(r, method=replace(r.method, note="recipe prenet, preset demo, 9 steps")) for r in records.results
    ]
    elsewhere = make_result("prenet", 29.0, types=("rainy",), test_set="rain12")
    assert not any(rerun.results for rerun in find_reruns(PUBLISHED, Records(results=[*trained, elsewhere])))


def test_rows_without_results_are_listed_with_the_network_that_would_fill_them(records: Records) -> None:
    waiting = section(build(published=PUBLISHED, records=records), "Rows that were not measured")
    rows = texts(waiting)
    assert ["2a JORDER", "jorder", "rain100h"] in rows
    assert ["2b URetinex-Net", "uretinex", "lol"] in rows
    assert not any(row[0] == "2a PReNet" for row in rows)


def test_several_weights_of_one_network_stand_apart(records: Records) -> None:
    other = make_result("prenet-r", 28.0, protocol="modern", network="prenet", **RAIN)  # pyright: ignore[reportArgumentType]
    titles = [s.title for s in build(published=PUBLISHED, records=Records(results=[*records.results, other]))]
    assert "2a PReNet: prenet" in titles
    assert "2a PReNet: prenet-r" in titles


def test_the_gap_of_a_method_is_its_largest_number_minus_its_smallest(records: Records) -> None:
    jorder = [
        make_result("jorder", psnr, protocol=protocol, **RAIN)  # pyright: ignore[reportArgumentType]
        for protocol, psnr in (("daclip-derain-y", 26.54), ("daclip-table2", 28.5), ("modern", 24.0))
    ]
    sections = protocol_gap.build(published=PUBLISHED, records=Records(results=[*records.results, *jorder]))
    assert [s.title for s in sections][:2] == ["Set rain100h, 100 images", "PSNR ↑ (dB)"]
    assert [cell.text for cell in sections[1].headers] == [
        "Method",
        "daclip-table2 v1",
        "daclip-derain-y v1",
        "modern v1",
        "Gap",
    ]
    assert texts(sections[1]) == [
        ["PRENET", "28.05", "29.46", "28.05", "1.41"],
        ["JORDER", "28.50", "26.54", "24.00", "4.50"],
    ]
    assert "Order under daclip-table2 v1: JORDER, PRENET." in sections[1].remarks
    assert "Order under daclip-derain-y v1, modern v1: PRENET, JORDER." in sections[1].remarks


def test_a_method_under_one_protocol_has_no_gap(records: Records) -> None:
    assert protocol_gap.build(published=PUBLISHED, records=Records(results=records.results[:1])) == []
    assert "Nothing was measured yet." in table_page("protocol-gap", records=Records())


def test_an_infinite_score_is_shown_and_left_out_of_the_gap(records: Records) -> None:
    endless = replace(
        records.results[0],
        metrics={**records.results[0].metrics, "psnr": Score(value=float("inf"), n=100)},
        groups={},
    )
    sections = protocol_gap.build(published=PUBLISHED, records=Records(results=[endless, *records.results[1:]]))
    assert texts(sections[1]) == [["PRENET", "28.05", "∞", "28.05", "0.00"]]
