"""Published numbers stand as printed, measured ones in sections of their own, and the best is bold within one."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark.classification_results import ClassificationResult, write_classification
from benchmark.cli.leaderboard import command
from benchmark.counts_results import CountsResult, DatasetId, write_counts
from benchmark.leaderboard import PUBLISHED, generate, read_records, stale, table_sections, write
from benchmark.protocols import PROTOCOLS
from benchmark.provenance import birth_certificate
from benchmark.report.markdown import code, escape, table
from benchmark.results import Result, mean_over_groups, write_result
from benchmark.scores import Cost, Group, Method, ProtocolId, Score, TestSet
from benchmark.sources import SOURCES
from benchmark.tables import TABLES
from benchmark.tables.published import PublishedCounts, PublishedScores, published_section, read_published
from benchmark.tables.restoration import measured_sections
from benchmark.tables.view import Cell, Records, Section, embolden
from models.errors import UserError
from models.vocabulary import DEGRADATIONS

SCORED = ("2a", "2b", "2c", "2d", "3")
Make = Callable[..., Result]


@pytest.fixture
def make() -> Make:
    def build(
        name: str,
        psnr: float,
        *,
        types: tuple[str, ...] = DEGRADATIONS,
        test_set: str = "demo",
        digest: str = "cd" * 32,
        protocol: str = "daclip",
        version: int = 1,
    ) -> Result:
        groups = {
            word: Group(n=2, metrics={"psnr": Score(value=psnr + i, n=2), "ssim": Score(value=0.5, n=2)})
            for i, word in enumerate(types)
        }
        means = {metric: mean_over_groups(groups, metric) for metric in ("psnr", "ssim")}
        return Result(
            method=Method(name, name.upper(), name, 1_250_000, "ab" * 32),
            test_set=TestSet(test_set, f"Set {test_set}", digest, 2 * len(types), types),
            protocol=ProtocolId(protocol, version),
            n=2 * len(types),
            metrics={k: Score(value=v, n=2 * len(types), ci95=(1.0, 2.0)) for k, v in means.items()},
            groups=groups,
            missing={"lpips": "put alexnet.pth in the cache", "fid": "put inception.pth in the cache"},
            cost=Cost(seconds_per_image=0.5),
            sampler=None,
            seed=0,
            **birth_certificate(["eval", "--table", "3"]),
        )

    return build


def rows_of(result: Result) -> list[dict[str, object]]:
    return [{"key": str(i), "degradation": "hazy", "psnr": 1.0} for i in range(result.n)]


def bold(section: Section, column: str) -> list[str]:
    """Return the methods whose cell in a column is bold."""
    place = next(i for i, cell in enumerate(section.headers) if cell.text.startswith(column))
    return [row[0].text for row in section.rows if row[place].bold]


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
        ("ssim: ", "sim: ", "must be psnr, ssim, lpips, fid"),
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


@pytest.mark.parametrize(
    "change",
    [{"protocol": "modern"}, {"version": 2}, {"digest": "ef" * 32}],
    ids=["protocol", "protocol version", "test set"],
)
def test_one_section_refuses_a_mix_of_protocols_or_test_sets(make: Make, change: dict[str, str]) -> None:
    with pytest.raises(UserError, match="one column cannot mix"):
        measured_sections(TABLES["3"], [make("a", 20.0), make("b", 30.0, **change)])


def test_bold_never_crosses_sections(make: Make) -> None:
    records = Records(
        results=[
            make("a", 20.0),
            make("b", 21.0),
            make("c", 90.0, protocol="modern"),
            make("d", 80.0, protocol="modern"),
            make("e", 10.0, digest="ef" * 32),
            make("f", 11.0, digest="ef" * 32),
        ]
    )
    sections = [s for s in table_sections("3", records=records) if s.level == 2]
    assert [s.kind for s in sections] == ["published", "measured", "measured", "measured"]
    assert [bold(s, "PSNR") for s in sections] == [["NAFNet + DA-CLIP"], ["B"], ["F"], ["C"]]
    assert [len(s.rows) for s in sections[1:]] == [2, 2, 2]


def test_table_3_shows_each_type_and_the_mean_for_measured_rows(make: Make) -> None:
    records = Records(results=[make("a", 20.0), make("b", 21.0)])
    parts = [s for s in table_sections("3", records=records) if s.level == 3]
    assert [s.title for s in parts] == ["PSNR ↑ per type", "SSIM ↑ per type"]
    assert len(parts[0].headers) == 12
    assert [cell.text for cell in parts[0].rows[0]] == ["B", *[f"{21 + i}.00" for i in range(10)], "25.50"]


def test_a_missing_number_is_a_dash_and_a_line_says_what_would_fill_it(make: Make) -> None:
    section = measured_sections(TABLES["3"], [make("a", 20.0)])[0]
    heads = [cell.text for cell in section.headers]
    assert section.rows[0][heads.index("LPIPS ↓")].text == "-"
    assert section.rows[0][heads.index("FID ↓")].text == "-"
    assert "LPIPS is missing: put alexnet.pth in the cache" in section.remarks


def test_a_measured_section_states_test_set_protocol_interval_count_commit_and_command(make: Make) -> None:
    section = measured_sections(TABLES["3"], [make("a", 20.0)])[0]
    assert "daclip v1" in section.title
    assert "cdcdcdcdcdcd" in section.intro[0]
    row = {head.text: cell.text for head, cell in zip(section.headers, section.rows[0], strict=True)}
    assert row["95 % interval"] == "[1.00, 2.00]"
    assert row["n"] == "20"
    assert row["Parameters"] == "1.25 M"
    label, command_line, rest = section.births[0]
    assert (label, command_line) == ("A", "bench eval --table 3")
    assert "commit" in rest or "outside git" in rest


def test_table_2_shows_only_its_own_type_and_source(make: Make) -> None:
    records = Records(
        results=[
            make("a", 20.0, types=("rainy",), test_set="rain100h", protocol="daclip-derain-y"),
            make("b", 20.0, types=("rainy",), test_set="strange"),
            make("c", 20.0, types=("low-light",), test_set="lol", protocol="daclip-table2"),
            make("d", 20.0),
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


def test_an_infinite_psnr_is_shown_and_wins(make: Make) -> None:
    section = measured_sections(TABLES["3"], [make("clean", math.inf), make("a", 20.0)])[0]
    assert section.rows[0][1].text == "∞"
    assert bold(section, "PSNR") == ["CLEAN"]


def test_markdown_tables_are_aligned_and_pipes_do_not_split_cells() -> None:
    text = table(["a", "b"], [[escape("x|y"), "1"], ["longer", "22.5"]], numeric=(False, True))
    assert text.splitlines() == [
        "| a      |    b |",
        "| ------ | ---: |",
        "| x\\|y   |    1 |",
        "| longer | 22.5 |",
    ]
    assert escape("<b>*x*\n`y`") == "&lt;b>\\*x\\* \\`y\\`"
    assert code("a `b` c") == "`` a `b` c ``"


@pytest.fixture
def filled(tmp_path: Path, make: Make) -> Path:
    for result in (make("a", 20.0), make("b", 21.0), make("x", 9.0, types=("rainy",), test_set="strange")):
        write_result(tmp_path, result, rows_of(result))
    confusion = [[int(i == j) * 3 for j in range(10)] for i in range(10)]
    confusion[0][1] = 1
    birth = birth_certificate(["eval"])
    for name, title in (("daclip", "DA-CLIP"), ("daclip-clip", "CLIP (frozen, tiny, random)")):
        write_classification(
            tmp_path,
            ClassificationResult.from_confusion(
                confusion,
                method=Method(name, title),
                test_set=TestSet("demo", "Demo", "cd" * 32, 31, DEGRADATIONS),
                seed=None,
                birth=birth,
            ),
        )
    counts = {"train": dict.fromkeys(DEGRADATIONS, 3), "test": dict.fromkeys(DEGRADATIONS, 2)}
    write_counts(tmp_path, CountsResult(dataset=DatasetId("demo", "cd" * 32), counts=counts, **birth))
    return tmp_path


def test_pages_are_written_once_and_then_up_to_date(filled: Path) -> None:
    assert {path.name for path in write(filled)} == {"README.md", *[f"table-{name}.md" for name in TABLES]}
    assert stale(filled) == []
    assert write(filled) == []
    assert generate(filled) == generate(filled)


def test_stale_pages_are_named(filled: Path, make: Make) -> None:
    write(filled)
    (filled / "table-2a.md").write_text("edited", encoding="utf-8")
    (filled / "table-2b.md").unlink()
    (filled / "table-9.md").write_text("of no table", encoding="utf-8")
    assert [path.name for path in stale(filled)] == ["table-2a.md", "table-2b.md", "table-9.md"]
    write(filled)
    assert not (filled / "table-9.md").exists()
    result = make("c", 40.0)
    write_result(filled, result, rows_of(result))
    assert [path.name for path in stale(filled)] == ["README.md", "table-3.md"]


def test_the_index_lists_every_page_and_the_results_that_no_table_shows(filled: Path) -> None:
    index = generate(filled)["README.md"]
    assert all(f"(table-{name}.md)" in index for name in TABLES)
    assert re.search(r"## Results that no table shows\n\n- X on Set strange", index)


def test_the_classification_page_shows_accuracy_and_confusion_of_each_method(filled: Path) -> None:
    sections = [s for s in table_sections("classification", records=read_records(filled)) if s.kind == "measured"]
    assert [s.level for s in sections] == [2, 3, 3]
    row = next(row for row in sections[0].rows if row[0].text == "DA-CLIP")
    assert [cell.text for cell in row] == ["DA-CLIP", "75.0", *["100.0"] * 9, "97.5", "31"]
    assert "chance is 10.0" in sections[0].intro[0]
    assert [cell.text for cell in sections[1].rows[0]] == ["Blurry", "3", "1", *["0"] * 8]


def test_the_counts_page_shows_built_datasets_beside_the_published_counts(filled: Path) -> None:
    sections = table_sections("1", records=read_records(filled))
    assert [cell.text for cell in sections[0].rows[-1]] == ["Total", "", "", "", "52801", "3490"]
    assert [cell.text for cell in sections[1].rows[-1]] == ["Total", "", "30", "20"]


def test_the_command_writes_checks_and_prints(filled: Path) -> None:
    runner = CliRunner()
    place = ["--leaderboards", str(filled)]
    check = runner.invoke(command, [*place, "--check"])
    assert check.exit_code == 1
    assert "table-3.md" in check.stderr
    assert runner.invoke(command, place).exit_code == 0
    assert runner.invoke(command, [*place, "--check"]).exit_code == 0
    printed = runner.invoke(command, [*place, "--table", "3"])
    assert printed.stdout == (filled / "table-3.md").read_text(encoding="utf-8")
    assert isinstance(runner.invoke(command, [*place, "--table", "4"]).exception, UserError)
    assert runner.invoke(command, [*place, "--table", "3", "--check"]).exit_code == 2


def test_results_below_another_folder_do_not_leak_in(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(filled / "results" / "demo", other / "results" / "demo")
    assert "Set strange" not in generate(other)["README.md"]


def test_a_test_set_scored_only_in_part_says_so(make: Make) -> None:
    result = make("a", 20.0)
    part = replace(result, test_set=replace(result.test_set, n=100))
    section = measured_sections(TABLES["3"], [part])[0]
    assert "20 of 100" in [cell.text for cell in section.rows[0]]


def test_the_catalogue_and_the_command_import_no_heavy_package() -> None:
    script = (
        "import sys, benchmark.tables, benchmark.cli.leaderboard\n"
        "print([m for m in ('torch', 'numpy', 'pandas', 'pyarrow', 'yaml', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
