"""Published numbers stand as printed, with their citation and our notes."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_results import bold

from benchmark.metrics.protocols import PROTOCOLS
from benchmark.report.leaderboard import PUBLISHED, generate, table_sections
from benchmark.sources import SOURCES
from benchmark.tables import TABLES
from benchmark.tables.published import PublishedCounts, PublishedScores, published_section, read_published
from benchmark.tables.view import Records
from models.errors import UserError
from models.vocabulary import DEGRADATIONS


def test_the_published_counts_are_those_of_table_1_and_add_up() -> None:
    counts = read_published(PublishedCounts, PUBLISHED, table="1")
    assert [row.degradation for row in counts.rows] == list(DEGRADATIONS)
    assert [row.train for row in counts.rows] == [2103, 6000, 3550, 485, 3550, 861, 1800, 2680, 1872, 29900]
    assert [row.test for row in counts.rows] == [1111, 1000, 29, 15, 68, 58, 100, 408, 601, 100]
    assert counts.total == {"train": 52801, "test": 3490}
    assert sum(row.train for row in counts.rows) == 52801
    assert sum(row.test for row in counts.rows) == 3490


@pytest.mark.parametrize("source", ["lol", "rain100h"])
def test_the_published_counts_agree_with_what_the_sources_declare(source: str) -> None:
    printed = {r.degradation: r for r in read_published(PublishedCounts, PUBLISHED, table="1").rows}
    for split, counts in SOURCES[source].counts.items():
        for word, n in counts.items():
            assert getattr(printed[word], split) == n


@pytest.mark.parametrize(
    ("name", "method", "values"),
    [
        ("2a", "PReNet", ("29.46", "0.899", "0.128", "52.67")),
        ("2a", "Ours", ("33.91", "0.926", "0.031", "11.79")),
        ("2b", "URetinex-Net", ("19.84", "0.824", "0.237", "52.38")),
        ("2c", "DeblurGAN", ("28.70", "0.858", "0.178", "27.02")),
        ("2d", "DehazeFormer", ("30.29", "0.964", "0.045", "7.58")),
        ("3", "NAFNet + DA-CLIP", ("27.22", "0.861", "0.145", "47.94")),
        ("3", "Ours", ("27.01", "0.794", "0.127", "34.89")),
    ],
)
def test_published_rows_stand_as_printed(name: str, method: str, values: tuple[str, ...]) -> None:
    section = published_section(read_published(PublishedScores, PUBLISHED, table=name))
    row = next(row for row in section.rows if row[0].text == method)
    assert tuple(cell.text for cell in row[1:]) == values


@pytest.mark.parametrize(
    ("name", "count", "best"),
    [
        ("2a", 6, {"PSNR": "Ours", "SSIM": "Ours", "LPIPS": "Ours", "FID": "Ours"}),
        ("2b", 6, {"PSNR": "MIRNet", "SSIM": "MAXIM", "LPIPS": "Ours", "FID": "Ours"}),
        ("2c", 6, {"PSNR": "MAXIM", "SSIM": "MAXIM", "LPIPS": "Ours", "FID": "Ours"}),
        ("2d", 6, {"PSNR": "DehazeFormer", "SSIM": "DehazeFormer", "LPIPS": "Ours", "FID": "Ours"}),
        ("3", 8, {"PSNR": "NAFNet + DA-CLIP", "SSIM": "NAFNet + DA-CLIP", "LPIPS": "Ours", "FID": "Ours"}),
    ],
)
def test_the_best_published_number_of_each_column_is_bold(name: str, count: int, best: dict[str, str]) -> None:
    section = table_sections(name, records=Records())[0]
    assert section.kind == "published"
    assert len(section.rows) == count
    assert {column: bold(section, column) for column in best} == {column: [who] for column, who in best.items()}


def test_the_page_of_table_2a_shows_ours_in_bold() -> None:
    page = generate(Path("nowhere"))["table-2a.md"]
    line = next(line for line in page.splitlines() if line.startswith("| Ours"))
    assert "**33.91**" in line
    assert "**11.79**" in line


def test_cells_that_cannot_be_compared_carry_their_note() -> None:
    section = table_sections("2b", records=Records())[0]
    row = next(row for row in section.rows if row[0].text == "URetinex-Net")
    lpips = " ".join(section.notes[i - 1] for i in row[3].notes)
    ssim = " ".join(section.notes[i - 1] for i in row[2].notes)
    assert "VGG" in lpips
    assert "7x7 uniform" in ssim
    slip = next(row for row in table_sections("2a", records=Records())[0].rows if row[0].text == "JORDER")
    assert slip[1].notes


def test_no_classification_number_counts_as_published() -> None:
    assert read_published(PublishedScores, PUBLISHED, table="classification").rows == ()


@pytest.mark.parametrize("name", list(TABLES))
def test_every_table_has_published_numbers_a_citation_and_a_known_protocol(name: str) -> None:
    sections = table_sections(name, records=Records())
    assert any("https://arxiv.org/abs/2310.01018" in line for line in sections[0].intro)
    assert TABLES[name].protocol in (None, "accuracy", *PROTOCOLS)


def test_every_published_file_belongs_to_a_table() -> None:
    assert {path.name for path in PUBLISHED.iterdir()} == {f"table-{name}.yaml" for name in TABLES}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("protocol:", "protokol: x\nprotocol:", "unknown key 'protokol'"),
        ("ssim: ", "sim: ", "there is no column 'sim' - did you mean 'ssim'?"),
        ('"17.61", ssim: ', '"17.61", sim: ', "must be psnr, ssim, lpips, fid"),
        ("psnr: daclip-table2", "psnr: daclip-tabel2", "there is no protocol 'daclip-tabel2'"),
        ("network: maxim", "network: maxxim", "there is no network 'maxxim'"),
        ('"17.61"', "17.61", "expected str, got float"),
        ('"17.61"', '"17,61"', "no number"),
        ('rows: ["URetinex-Net"]', 'rows: ["URetinexNet"]', "there is no row 'URetinexNet'"),
        ('table: "2b"', 'table: "2c"', "expected schema 1 and table '2b'"),
        ("citation:", "citation: [", "not valid YAML"),
    ],
)
def test_published_numbers_of_a_wrong_form_are_refused_naming_the_file(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    path = tmp_path / "table-2b.yaml"
    path.write_text((PUBLISHED / path.name).read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_published(PublishedScores, tmp_path, table="2b")
    assert told in str(caught.value)
    assert "table-2b.yaml" in str(caught.value)


def test_counts_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    text = (PUBLISHED / "table-1.yaml").read_text(encoding="utf-8").replace("train: 485", "train: 486")
    (tmp_path / "table-1.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="add up to"):
        read_published(PublishedCounts, tmp_path, table="1")


@pytest.mark.parametrize("name", ["2a", "2b", "2c", "2d", "3"])
def test_every_column_of_a_published_table_says_which_protocol_it_fits_or_that_it_is_not_known(name: str) -> None:
    line = next(line for line in table_sections(name, records=Records())[0].intro if "each column fits" in line)
    printed = read_published(PublishedScores, PUBLISHED, table=name)
    assert line.count("`") == 2 * len(printed.fits)
    assert line.count("not known") == len(printed.columns) - len(printed.fits)


def test_a_note_about_a_whole_row_stands_at_the_name_of_its_method() -> None:
    section = table_sections("2b", records=Records())[0]
    row = next(row for row in section.rows if row[0].text == "URetinex-Net")
    assert ["Only the PSNR of this row" in section.notes[i - 1] for i in row[0].notes] == [True]
    assert next(row for row in section.rows if row[0].text == "EnlightenGAN")[0].notes == ()
