"""The scorer: what each protocol does to an image, several protocols at once, and real test sets."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from metric_images import pair, random_backbone
from one_protocol import Scorer
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmark.downloads.find import ALEXNET, INCEPTION
from benchmark.evaluation.scoring.scorer import MultiScorer
from benchmark.metrics import METRICS
from benchmark.metrics.lpips import Lpips
from benchmark.metrics.luma import luma
from benchmark.metrics.protocols import PROTOCOLS
from benchmark.metrics.psnr import psnr
from benchmark.metrics.ssim import ssim
from models.errors import UserError
from models.images.pixels import list_images, read, to_float, to_uint8


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_backbone(tmp_path_factory.mktemp("weights") / "alexnet.pth", "alex")


@pytest.fixture(autouse=True)
def no_weights_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Scores must not depend on what the developer has downloaded."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_clean_image_itself_scores_best(protocol: str, alexnet: Path) -> None:
    scorer = Scorer(PROTOCOLS[protocol], lpips_weights={"alex": alexnet})
    restored, clean = pair()
    best, worse = scorer.add("set", "same", clean, clean), scorer.add("set", "noisy", restored, clean)
    worst = scorer.add("set", "noisier", pair(noise=40)[0], clean)
    expected = {"psnr": math.inf, "ssim": pytest.approx(1.0, abs=1e-12), "lpips": 0.0}
    assert best == {name: expected[name] for name in scorer.metrics}
    assert set(scorer.metrics) | set(scorer.missing) == set(PROTOCOLS[protocol].metrics)
    for name in best:
        sign = 1 if METRICS[name].higher_is_better else -1
        assert sign * best[name] > sign * worse[name] > sign * worst[name]


def test_daclip_crops_and_rounds_for_psnr_but_not_for_lpips(alexnet: Path) -> None:
    scorer = Scorer(PROTOCOLS["daclip"], lpips_weights=alexnet)
    restored, clean = pair()
    wide = to_float(restored) * np.float32(1.2) - np.float32(0.1)
    scores = scorer.add("set", "a", wide, clean)
    eight = to_uint8(wide)
    assert scores["psnr"] == psnr(eight[4:-4, 4:-4], clean[4:-4, 4:-4])
    assert scores["ssim"] == ssim(eight[4:-4, 4:-4], clean[4:-4, 4:-4])
    assert scores["lpips"] == Lpips(alexnet)(wide, to_float(clean))


def test_the_other_protocols_see_the_eight_bit_file(alexnet: Path) -> None:
    restored, clean = pair()
    wide = to_float(restored) * np.float32(1.2) - np.float32(0.1)
    eight, metric = to_uint8(wide), Lpips(alexnet)
    files = (to_float(eight), to_float(clean))
    table2 = Scorer(PROTOCOLS["daclip-table2"], lpips_weights=alexnet).add("set", "a", wide, clean)
    derain = Scorer(PROTOCOLS["daclip-derain-y"], lpips_weights=alexnet).add("set", "a", wide, clean)
    modern = Scorer(PROTOCOLS["modern"], lpips_weights=alexnet).add("set", "a", wide, clean)
    assert table2 == {"psnr": psnr(eight, clean), "ssim": ssim(eight, clean), "lpips": metric(*files, order="bgr")}
    assert derain["psnr"] == psnr(luma(eight), luma(clean))
    assert derain["ssim"] == ssim(luma(eight), luma(clean))
    assert derain["lpips"] == table2["lpips"]
    assert modern == {**table2, "lpips": metric(*files, order="rgb")}


def test_scoring_a_file_equals_scoring_the_output_that_was_saved(alexnet: Path) -> None:
    scorer = Scorer(PROTOCOLS["modern"], lpips_weights=alexnet)
    restored, clean = pair()
    image = to_float(restored) + np.float32(0.0007)
    assert scorer.add("set", "float", image, clean) == scorer.add("set", "file", to_uint8(image), clean)


@pytest.mark.parametrize(
    ("restored", "clean", "message"),
    [
        (np.zeros((40, 40, 3), np.uint8), np.zeros((40, 41, 3), np.uint8), r"set/a: .*\(40, 40, 3\).*\(40, 41, 3\)"),
        (np.zeros((18, 60, 3), np.uint8), np.zeros((18, 60, 3), np.uint8), r"set/a: SSIM needs .* 11x11 .* 52x10"),
        (np.zeros((8, 60, 3), np.uint8), np.zeros((8, 60, 3), np.uint8), r"set/a: the image is 60x8 .* border of 4"),
        (np.full((40, 40, 3), np.nan, np.float32), np.zeros((40, 40, 3), np.uint8), "set/a: .*not finite"),
        (np.zeros((40, 40, 3), np.int32), np.zeros((40, 40, 3), np.uint8), "set/a: .*uint8 or float, not int32"),
        (np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40, 3), np.float32), "set/a: the clean image must be uint8"),
        (np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8), "set/a: the clean image must be uint8 RGB"),
    ],
)
def test_images_that_cannot_be_compared_are_named(restored: np.ndarray, clean: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Scorer(PROTOCOLS["daclip"]).add("set", "a", restored, clean)


def test_an_image_is_scored_once_in_a_group() -> None:
    scorer = Scorer(PROTOCOLS["modern"])
    restored, clean = pair()
    scorer.add("one", "a", restored, clean)
    scorer.add("two", "a", restored, clean)
    with pytest.raises(UserError, match="one/a: scored twice"):
        scorer.add("one", "a", restored, clean)


def test_without_weights_psnr_and_ssim_remain_and_the_files_are_named(tmp_path: Path) -> None:
    scorer = Scorer(PROTOCOLS["modern"], weights_folder=tmp_path / "mine")
    assert scorer.metrics == ("psnr", "ssim")
    assert list(scorer.missing) == ["lpips", "fid", "kid"]
    for name, file in (("lpips", ALEXNET), ("fid", INCEPTION), ("kid", INCEPTION)):
        message = scorer.missing[name]
        assert file.name in message
        assert file.url in message
        assert f"bench weights get {file.offer}" in message
        assert str(tmp_path / "mine") in message
        assert "\n" not in message
    restored, clean = pair()
    assert list(scorer.add("set", "a", restored, clean)) == ["psnr", "ssim"]
    assert scorer.set_scores("set") == {}


def test_restormer_takes_rounded_brightness() -> None:
    restored, clean = pair()
    scores = Scorer(PROTOCOLS["restormer-y"]).add("set", "a", restored, clean)
    rounded = luma(restored, rounded=True), luma(clean, rounded=True)
    assert scores == {"psnr": psnr(*rounded), "ssim": ssim(*rounded)}
    assert scores["psnr"] != psnr(luma(restored), luma(clean))


def test_promptir_takes_the_clipped_float_output_and_whole_multiples_of_sixteen() -> None:
    restored, clean = pair(size=(61, 83))
    wide = to_float(restored) * np.float32(1.2) - np.float32(0.1)
    scores = Scorer(PROTOCOLS["promptir"]).add("set", "a", wide, clean)
    mine, true = np.clip(wide, 0, 1)[6:54, 1:81], to_float(clean)[6:54, 1:81]
    psnr_, ssim_ = (
        peak_signal_noise_ratio(true, mine, data_range=1),
        structural_similarity(true, mine, data_range=1, channel_axis=2),
    )
    assert scores == {"psnr": pytest.approx(psnr_, abs=1e-4), "ssim": pytest.approx(ssim_, abs=1e-5)}


def test_nafnet_takes_the_eight_bit_file_as_matlab_does() -> None:
    restored, clean = pair()
    wide = to_float(restored) * np.float32(1.2) - np.float32(0.1)
    eight = to_uint8(wide)
    assert Scorer(PROTOCOLS["nafnet-tlc"]).add("set", "a", wide, clean) == {
        "psnr": psnr(eight, clean),
        "ssim": ssim(eight, clean, window="matlab"),
    }


def test_the_card_decides_how_an_output_becomes_eight_bits_but_lpips_on_floats_still_sees_the_output(
    alexnet: Path,
) -> None:
    restored, clean = pair()
    image = to_float(restored) + np.float32(0.003)
    scorer = MultiScorer((PROTOCOLS["daclip"], PROTOCOLS["modern"]), lpips_weights=alexnet)
    rounded = scorer.add("set", "rounded", image, clean)
    truncated = scorer.add("set", "truncated", image, clean, rounding="truncate")
    assert rounded["daclip"]["lpips"] == truncated["daclip"]["lpips"]
    cut = to_uint8(image, rounding="truncate")
    assert truncated["modern"] == scorer.add("set", "file", cut, clean)["modern"]
    assert truncated["modern"]["psnr"] == psnr(cut, clean) != rounded["modern"]["psnr"]


def test_several_protocols_at_once_give_the_numbers_of_each_alone(alexnet: Path) -> None:
    restored, clean = pair()
    wide = to_float(restored) * np.float32(1.2) - np.float32(0.1)
    together = MultiScorer(tuple(PROTOCOLS.values()), lpips_weights={"alex": alexnet})
    scores = together.measure(wide, clean).scores
    assert list(scores) == list(PROTOCOLS)
    for name, protocol in PROTOCOLS.items():
        alone = Scorer(protocol, lpips_weights={"alex": alexnet})
        assert scores[name] == alone.add("set", "a", wide, clean)
        assert together.metrics[name] == alone.metrics
        assert set(together.missing[name]) == set(alone.missing)
    assert len({values["psnr"] for values in scores.values()}) == 5


def test_measuring_in_threads_gives_the_numbers_of_one_after_the_other(alexnet: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    scorer = MultiScorer((PROTOCOLS["daclip"], PROTOCOLS["nafnet-tlc"]), lpips_weights=alexnet)
    pairs = [pair(size=(50 + 7 * n, 70), seed=n) for n in range(6)]
    alone = [scorer.measure(*images).scores for images in pairs]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda images: scorer.measure(*images).scores, pairs)) == alone


def mean_input_psnr(folder: Path, protocol: str) -> float:
    scorer = Scorer(PROTOCOLS[protocol])
    values = [
        scorer.add("set", path.name, read(folder / "LQ" / path.name), read(path))["psnr"]
        for path in list_images(folder / "GT")
    ]
    return float(np.mean(values))


def test_the_dark_photos_of_lol_score_the_known_value(shared: Path) -> None:
    folder = shared / "reference/data/LOL_eval15"
    if not folder.is_dir():
        pytest.skip(f"no LOL test set at {folder}")
    assert round(mean_input_psnr(folder, "daclip-table2"), 2) == 7.77


@pytest.mark.slow
def test_the_rainy_photos_of_rain100h_score_the_known_values(shared: Path) -> None:
    folder = shared / "reference/data/Rain100H"
    if not folder.is_dir():
        pytest.skip(f"no Rain100H test set at {folder}")
    assert round(mean_input_psnr(folder, "daclip-derain-y"), 2) == 13.55
    assert round(mean_input_psnr(folder, "daclip-table2"), 2) == 12.13


def test_a_protocol_with_a_metric_that_nothing_computes_is_refused() -> None:
    wrong = replace(PROTOCOLS["modern"], metrics=("psnr", "psrn"))
    with pytest.raises(UserError, match="there is no metric called 'psrn' - did you mean 'psnr'"):
        MultiScorer([wrong])
