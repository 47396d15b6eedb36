"""The pages of the leaderboards: generated, checked, and removed when nothing asks for them."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from made_results import level_rows_of, make_classification, make_result, make_robustness, rows_of
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from benchmark.cli.leaderboard import command
from benchmark.evaluation.robustness.cases import chosen_cases
from benchmark.report.figure import KEY, text_of
from benchmark.report.leaderboard import generate, read_records, stale, table_sections, write
from benchmark.results.classification import write_classification
from benchmark.results.counts import CountsResult, DatasetId, write_counts
from benchmark.results.provenance import birth_certificate
from benchmark.results.restoration import write_result
from benchmark.results.robustness import write_robustness
from benchmark.tables import PAGES, TABLES
from models.errors import UserError
from models.markdown import code, escape, table
from models.vocabulary import DEGRADATIONS


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """Return a leaderboards folder with results of every kind."""
    made = [make_result("a", 20.0), make_result("b", 21.0), make_result("a", 19.0, protocol="modern")]
    for result in (*made, make_result("x", 9.0, types=("rainy",), test_set="strange")):
        write_result(tmp_path, result, rows_of(result))
    confusion = [[int(i == j) * 3 for j in range(10)] for i in range(10)]
    confusion[0][1] = 1
    for name, title in (("daclip", "DA-CLIP"), ("daclip-clip", "CLIP (frozen, tiny, random)")):
        write_classification(tmp_path, make_classification(name, title, confusion))
    counts = {"train": dict.fromkeys(DEGRADATIONS, 3), "test": dict.fromkeys(DEGRADATIONS, 2)}
    birth = birth_certificate(["eval"])
    write_counts(tmp_path, CountsResult(dataset=DatasetId("demo", "cd" * 32), counts=counts, **birth))
    result = make_robustness("a", chosen_cases(["noisy", "hazy+rainy"]), 30.0)
    write_robustness(tmp_path, result, level_rows_of(result))
    return tmp_path


FIGURES = {
    "classification/demo.daclip.png",
    "classification/demo.daclip-clip.png",
    "robustness/photos.modern.psnr.png",
    "robustness/photos.modern.ssim.png",
}


def test_pages_and_figures_are_written_once_and_then_up_to_date(filled: Path) -> None:
    expected = {
        "README.md",
        "robustness/photos.modern.md",
        *[f"table-{n}.md" for n in TABLES],
        *[f"{n}.md" for n in PAGES],
    }
    assert {path.relative_to(filled).as_posix() for path in write(filled)} == expected | FIGURES
    assert stale(filled) == []
    assert write(filled) == []
    assert generate(filled) == generate(filled)


def test_every_link_and_picture_of_every_page_leads_to_a_file(filled: Path) -> None:
    write(filled)
    links = 0
    for page in [*filled.glob("*.md"), *filled.glob("robustness/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                links += 1
                assert (page.parent / target).is_file(), (page.name, target)
    assert links > 20


def test_a_figure_is_stale_when_its_numbers_change_or_it_is_damaged_but_not_by_its_bytes(filled: Path) -> None:
    write(filled)
    path = filled / "classification" / "demo.daclip.png"
    numbers = text_of(path.read_bytes(), KEY)
    assert numbers is not None
    redrawn = io.BytesIO()
    info = PngInfo()
    info.add_text(KEY, numbers)
    Image.new("RGB", (4, 4)).save(redrawn, format="PNG", pnginfo=info)
    path.write_bytes(redrawn.getvalue())
    assert stale(filled) == []
    path.write_bytes(redrawn.getvalue()[:-6])
    assert stale(filled) == [path]
    write(filled)
    other = make_classification("daclip", "DA-CLIP", [[int(i == j) for j in range(10)] for i in range(10)])
    write_classification(filled, other)
    assert path in stale(filled)


def test_pages_and_figures_of_nothing_are_removed(filled: Path) -> None:
    write(filled)
    shutil.rmtree(filled / "robustness" / "photos")
    (filled / "results" / "demo" / "daclip.classification.json").unlink()
    gone = {"robustness/photos.modern.md", "classification/demo.daclip.png"}
    assert gone < {path.relative_to(filled).as_posix() for path in write(filled)}
    assert not any((filled / name).exists() for name in gone)


def test_stale_pages_are_named(filled: Path) -> None:
    write(filled)
    (filled / "table-2a.md").write_text("edited", encoding="utf-8")
    (filled / "table-2b.md").unlink()
    (filled / "table-9.md").write_text("of no table", encoding="utf-8")
    assert [path.name for path in stale(filled)] == ["table-2a.md", "table-2b.md", "table-9.md"]
    write(filled)
    assert not (filled / "table-9.md").exists()
    result = make_result("c", 40.0)
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
    for option, file in (("3", "table-3.md"), ("protocol-gap", "protocol-gap.md")):
        printed = runner.invoke(command, [*place, "--table", option])
        assert printed.stdout == (filled / file).read_text(encoding="utf-8")
    assert isinstance(runner.invoke(command, [*place, "--table", "4"]).exception, UserError)
    assert runner.invoke(command, [*place, "--table", "3", "--check"]).exit_code == 2


def test_results_below_another_folder_do_not_leak_in(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(filled / "results" / "demo", other / "results" / "demo")
    assert "Set strange" not in generate(other)["README.md"]


def test_the_catalogue_and_the_command_import_no_heavy_package() -> None:
    script = (
        "import sys, benchmark.tables, benchmark.cli.leaderboard\n"
        "print([m for m in ('torch', 'numpy', 'pandas', 'pyarrow', 'yaml', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


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
