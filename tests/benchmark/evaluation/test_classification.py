"""Classification: answers, how sure they are, and how both are shown."""

from __future__ import annotations

import io
import json
import math
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from made_results import make_classification
from PIL import Image
from scipy.special import log_softmax
from scipy.special import softmax as scipy_softmax

from benchmark.building.run import build_dataset
from benchmark.dataset.folder import Dataset
from benchmark.evaluation.classification.classify import Answers, classify_images
from benchmark.report.classification import accuracy_table, classification_drawing, confusion_table, short_label
from benchmark.report.figure import KEY, text_of
from benchmark.report.terminal import print_table
from benchmark.results.calibration import (
    COLDEST,
    Calibration,
    best_temperature,
    calibrate,
    expected_calibration_error,
    negative_log_likelihood,
    reliability,
    softmax,
)
from benchmark.results.classification import ClassificationResult, read_classifications, write_classification
from benchmark.sources import SOURCES
from benchmark.tables.classification import measured_sections
from models.daclip.build import build_daclip
from models.daclip.classify import classify
from models.daclip.preprocess import preprocess
from models.errors import UserError
from models.vocabulary import DEGRADATIONS

CLIP = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "patch_size": 16, "width": 32, "layers": 1, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
RIGHT = [[int(i == j) * 2 for j in range(10)] for i in range(10)]


def drawn(count: int, *, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return cosines with ten words, and true types that are drawn with the probabilities of a temperature."""
    generator = np.random.default_rng(seed)
    cosines = generator.uniform(-0.3, 0.3, size=(count, 10))
    chances = scipy_softmax(cosines / temperature, axis=1)
    truth = (chances.cumsum(axis=1) > generator.uniform(size=(count, 1))).argmax(axis=1)
    return cosines, truth


@pytest.mark.parametrize("temperature", [0.01, 0.1, 3.0])
def test_probabilities_and_likelihood_are_scipys(temperature: float) -> None:
    cosines, truth = drawn(50, temperature=0.1)
    np.testing.assert_allclose(softmax(cosines, temperature), scipy_softmax(cosines / temperature, axis=1), atol=1e-14)
    expected = -log_softmax(cosines / temperature, axis=1)[np.arange(50), truth].mean()
    assert negative_log_likelihood(cosines, truth, temperature=temperature) == pytest.approx(expected, abs=1e-10)


def test_the_bins_hold_every_image_once_and_the_error_is_the_weighted_distance() -> None:
    cosines = np.log([[0.9, 0.1], [0.8, 0.2], [0.05, 0.95], [0.6, 0.4]])
    bins = reliability(cosines, np.array([0, 1, 1, 0]), temperature=1.0, bins=2)
    assert [(b.low, b.high, b.n) for b in bins] == [(0.5, 1.0, 4)]
    assert (bins[0].confidence, bins[0].accuracy) == (pytest.approx(0.8125), 0.75)
    assert expected_calibration_error(bins) == pytest.approx(0.0625)
    fine = reliability(cosines, np.array([0, 1, 1, 0]), temperature=1.0, bins=10)
    assert [(round(b.low, 1), b.n) for b in fine] == [(0.5, 1), (0.7, 1), (0.8, 1), (0.9, 1)]
    by_hand = (abs(0.6 - 1) + abs(0.8 - 0) + abs(0.9 - 1) + abs(0.95 - 1)) / 4
    assert expected_calibration_error(fine) == pytest.approx(by_hand)


@pytest.mark.parametrize("temperature", [0.02, 0.1, 0.5])
def test_the_temperature_that_drew_the_types_is_found_and_is_calibrated(temperature: float) -> None:
    cosines, truth = drawn(20_000, temperature=temperature)
    found = calibrate(cosines, truth, temperature=temperature / 10)
    assert found.best_temperature == pytest.approx(temperature, rel=0.06)
    assert found.best_ece < 0.015
    assert found.ece > 3 * found.best_ece  # ten times too sure
    assert found.confidence > found.accuracy
    assert sum(b.n for b in found.bins) == 20_000
    for off in (0.9, 1.1):
        here = negative_log_likelihood(cosines, truth, temperature=found.best_temperature)
        assert negative_log_likelihood(cosines, truth, temperature=off * found.best_temperature) > here


def test_with_every_answer_right_colder_is_always_better() -> None:
    cosines = np.eye(10) * 0.5
    assert best_temperature(cosines, np.arange(10)) < 0.1
    assert calibrate(cosines, np.arange(10), temperature=COLDEST).ece == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("cosines", "truth", "told"),
    [
        (np.zeros((0, 10)), [], "needs a row of cosines an image"),
        (np.zeros((2, 10)), [1], "needs a row of cosines an image"),
        (np.full((1, 10), math.nan), [1], "finite cosines"),
    ],
)
def test_what_cannot_be_calibrated_is_told(cosines: np.ndarray, truth: list[int], told: str) -> None:
    with pytest.raises(UserError, match=told):
        calibrate(cosines, truth, temperature=0.01)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return a dataset with two test pairs of each of three types."""
    folder = tmp_path_factory.mktemp("classified") / "dataset"
    rows = groupby(SOURCES.load("demo")(None), key=lambda s: (s.split, s.degradation))
    words = ("noisy", "hazy", "snowy")
    build_dataset(
        [s for (split, w), same in rows if split == "test" and w in words for s in [*same][:2]], folder, recipe={}
    )
    return Dataset(folder)


@pytest.mark.parametrize("plain", [True, False])
def test_answers_are_those_of_the_model_image_by_image(dataset: Dataset, plain: bool) -> None:
    daclip = build_daclip(clip=CLIP, pretrained=None).eval()
    answers = classify_images(daclip, dataset, plain=plain)
    assert answers.cosines.shape == (6, 10)
    assert answers.types == DEGRADATIONS
    scale = daclip.clip.logit_scale if plain else daclip.logit_scale
    assert answers.temperature == pytest.approx(math.exp(-scale.item()), rel=1e-6)
    rows = answers.rows()
    for pair, row in zip(dataset.pairs("test"), rows, strict=True):
        image = preprocess(pair.degraded, size=daclip.image_size)[None]
        assert row["answer"] == DEGRADATIONS[int(classify(daclip, image, DEGRADATIONS, plain=plain))]
        assert (row["key"], row["degradation"]) == (pair.key, pair.degradation)
        assert 0.1 <= row["confidence"] <= 1 >= row["confidence"] >= row["probability_of_truth"]
    assert np.array(answers.confusion()).sum() == 6


def answers() -> Answers:
    cosines, truth = drawn(60, temperature=0.05)
    keys = tuple(f"k{i}" for i in range(60))
    return Answers(types=DEGRADATIONS, keys=keys, truth=truth, cosines=cosines, temperature=0.01)


def with_calibration() -> ClassificationResult:
    found = answers()
    return make_classification("daclip", "DA-CLIP", found.confusion(), calibration=found.calibration())


def test_a_result_with_calibration_comes_back_from_its_file_and_an_old_one_has_none(tmp_path: Path) -> None:
    path = write_classification(tmp_path, with_calibration(), answers().rows())
    assert read_classifications(tmp_path) == [with_calibration()]
    assert pq.read_table(path.with_suffix(".parquet")).column_names[:3] == ["key", "degradation", "answer"]
    value = json.loads(path.read_text(encoding="utf-8"))
    for key in ("calibration", "rows_sha256", "seal"):
        del value[key]
    path.write_text(json.dumps(value), encoding="utf-8")
    assert read_classifications(tmp_path)[0].calibration is None
    with pytest.raises(UserError, match="expected one row for each of 60 images"):
        write_classification(tmp_path, with_calibration(), answers().rows()[1:])


def test_the_page_says_how_sure_each_classifier_is() -> None:
    result, without = with_calibration(), make_classification("clip", "CLIP", RIGHT)
    parts = measured_sections([result])
    assert [s.title for s in parts][1:] == ["How sure they are", "What DA-CLIP answers"]
    calibration = result.calibration
    assert isinstance(calibration, Calibration)
    row = [cell.text for cell in parts[1].rows[0]]
    assert row[:4] == [
        "DA-CLIP",
        *(f"{100 * v:.1f}" for v in (calibration.ece, calibration.confidence, calibration.accuracy)),
    ]
    assert row[5] == "0.01"
    assert parts[2].figure == ("Confusion matrix and reliability of DA-CLIP", "classification/demo.daclip.png")
    assert [s.title for s in measured_sections([without])][1:] == ["What CLIP answers"]


def test_the_figure_carries_the_digest_of_its_numbers_and_is_the_same_every_time() -> None:
    drawing = classification_drawing(with_calibration())
    png = drawing.png()
    assert png == classification_drawing(with_calibration()).png()
    assert text_of(png, KEY) == drawing.digest
    image = Image.open(io.BytesIO(png))
    assert image.width > image.height > 400  # two panels
    alone = Image.open(io.BytesIO(classification_drawing(make_classification("clip", "CLIP", RIGHT)).png()))
    assert alone.width * 2 == image.width
    assert classification_drawing(make_classification("clip", "CLIP", RIGHT)).digest != drawing.digest


def test_the_confusion_matrix_of_twelve_types_fits_a_terminal_of_120_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    types = (*DEGRADATIONS, "film-grain", "underwater")
    counts = [[1111 if i == j else 0 for j in range(12)] for i in range(12)]
    result = ClassificationResult.from_confusion(
        counts,
        types=types,
        method=with_calibration().method,
        test_set=with_calibration().test_set,
        seed=None,
        birth={
            k: getattr(with_calibration(), k) for k in ("commit", "command", "tool", "versions", "hardware", "date")
        },  # type: ignore[arg-type]
    )
    print_table("Confusion", *confusion_table(result))
    print_table("Accuracy", *accuracy_table([result], list(types)))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 120
    # A title, a frame of four lines and one line a row: nothing wraps.
    assert len(lines) == (1 + 4 + 12) + (1 + 4 + 14)
    assert all(len(short_label(word)) <= 5 for word in types)
    assert len({short_label(word) for word in types}) == 12
