"""PSNR, SSIM, LPIPS and the scorer, against independent implementations and real test sets."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
import torchvision
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmark.metrics import METRICS
from benchmark.metrics.border import crop_border
from benchmark.metrics.lpips import Lpips
from benchmark.metrics.luma import luma
from benchmark.metrics.psnr import psnr
from benchmark.metrics.scorer import Scorer
from benchmark.metrics.ssim import ssim
from benchmark.metrics.weight_files import ALEXNET, INCEPTION, WEIGHT_FILES, MissingWeights, find_weight_file
from benchmark.protocols import PROTOCOLS
from models.errors import UserError
from models.images import list_images, read, to_float, to_uint8


def pair(*, size: tuple[int, int] = (61, 83), seed: int = 0, noise: float = 12.0) -> tuple[np.ndarray, np.ndarray]:
    """Return a smooth uint8 photo-like image and a noisy version of it, noisy one first."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[0], : size[1]]
    waves = [np.sin(rows / a + b) * np.cos(columns / b) for a, b in ((7.0, 5.0), (11.0, 3.0), (4.0, 9.0))]
    clean = np.clip(128 + 90 * np.stack(waves, axis=-1), 0, 255)
    noisy = np.clip(clean + generator.normal(0, noise, clean.shape), 0, 255)
    return noisy.astype(np.uint8), clean.astype(np.uint8)


def random_backbone(path: Path, net: str) -> Path:
    """Save a randomly initialised backbone under torchvision's keys, with a stub of the classifier beside it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = getattr(torchvision.models, {"alex": "alexnet", "vgg": "vgg16"}[net])(weights=None)
    state = {key: value for key, value in network.state_dict().items() if key.startswith("features.")}
    torch.save({**state, "classifier.6.bias": torch.zeros(1000)}, path)
    return path


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_backbone(tmp_path_factory.mktemp("weights") / "alexnet.pth", "alex")


@pytest.fixture(autouse=True)
def no_weights_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Scores must not depend on what the developer has downloaded."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", METRICS)
def test_every_card_points_to_something_callable_and_documented(name: str) -> None:
    card = METRICS[name]
    assert callable(METRICS.load(name))
    assert METRICS.load(name).__doc__
    assert card.kind in ("image", "set")
    assert card.label == name.upper()


def test_printed_decimals_are_those_of_the_paper() -> None:
    assert {name: card.decimals for name, card in METRICS.items()} == {"psnr": 2, "ssim": 3, "lpips": 3, "fid": 2}
    assert {name: card.higher_is_better for name, card in METRICS.items()} == {
        "psnr": True,
        "ssim": True,
        "lpips": False,
        "fid": False,
    }


@pytest.mark.parametrize("seed", range(3))
def test_psnr_equals_scikit_image(seed: int) -> None:
    restored, clean = pair(seed=seed)
    assert psnr(restored, clean) == pytest.approx(peak_signal_noise_ratio(clean, restored, data_range=255), abs=1e-9)


def test_psnr_of_a_constant_error_is_the_textbook_value() -> None:
    clean = np.full((20, 20, 3), 100, np.uint8)
    assert psnr(clean + np.uint8(10), clean) == pytest.approx(20 * math.log10(255 / 10), abs=1e-12)
    assert psnr(to_float(clean) + 0.1, to_float(clean), data_range=1.0) == pytest.approx(20.0, abs=1e-5)


def test_psnr_does_not_wrap_around_in_eight_bits() -> None:
    black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    assert psnr(black, white) == psnr(white, black) == 0.0


@pytest.mark.parametrize("size", [(11, 11), (12, 40), (61, 83)])
def test_gaussian_ssim_equals_scikit_image(size: tuple[int, int]) -> None:
    restored, clean = pair(size=size)
    expected = structural_similarity(
        clean,
        restored,
        channel_axis=2,
        data_range=255,
        win_size=11,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(restored, clean) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("size", [(7, 7), (12, 40), (61, 83)])
def test_uniform_ssim_equals_scikit_image_default(size: tuple[int, int]) -> None:
    restored, clean = pair(size=size)
    expected = structural_similarity(clean, restored, channel_axis=2, data_range=255)
    assert ssim(restored, clean, window="uniform") == pytest.approx(expected, abs=1e-9)


def test_ssim_of_colour_is_the_mean_over_channels() -> None:
    restored, clean = pair()
    channels = [ssim(restored[..., c], clean[..., c]) for c in range(3)]
    assert ssim(restored, clean) == pytest.approx(np.mean(channels), abs=1e-12)


def test_ssim_of_two_constant_images_follows_the_formula() -> None:
    a, b, c1 = 100.0, 140.0, (0.01 * 255) ** 2
    value = ssim(np.full((20, 20), a), np.full((20, 20), b))
    assert value == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-10)


def test_luma_equals_scikit_image_and_spans_studio_range() -> None:
    _, clean = pair()
    assert np.abs(luma(clean) - rgb2ycbcr(clean)[..., 0]).max() < 1e-9
    assert np.abs(luma(clean) - luma(to_float(clean))).max() < 1e-4
    ends = luma(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8))
    assert ends.ravel() == pytest.approx([16.0, 235.0], abs=1e-9)


def test_luma_reads_red_first() -> None:
    red = luma(np.array([[[255, 0, 0]]], np.uint8))
    assert red.item() == pytest.approx(16 + 65.481, abs=1e-9)


def test_crop_border_cuts_all_four_sides() -> None:
    image = np.arange(10 * 12).reshape(10, 12)
    assert np.array_equal(crop_border(image, pixels=4), image[4:6, 4:8])
    assert crop_border(image, pixels=0) is not None
    assert np.array_equal(crop_border(image, pixels=0), image)
    with pytest.raises(UserError, match="12x10 pixels and nothing is left"):
        crop_border(image, pixels=5)


@pytest.mark.parametrize("net", ["alex", pytest.param("vgg", marks=pytest.mark.slow)])
def test_lpips_equals_the_package_with_the_same_backbone(net: str, tmp_path: Path) -> None:
    path = random_backbone(tmp_path / "backbone.pth", net)
    state = torch.load(path, weights_only=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    for key, value in oracle.net.state_dict().items():
        value.copy_(state["features." + key.split(".", 1)[1]])
    restored, clean = map(to_float, pair())
    ours = Lpips(path, net=net)  # pyright: ignore[reportArgumentType]
    for order, step in (("rgb", 1), ("bgr", -1)):
        tensors = [torch.from_numpy(x[..., ::step].transpose(2, 0, 1).copy())[None] for x in (restored, clean)]
        with torch.no_grad():
            expected = oracle(*tensors, normalize=True).item()
        assert expected > 1e-4
        assert ours(restored, clean, order=order) == pytest.approx(expected, rel=1e-6)  # pyright: ignore[reportArgumentType]
    assert ours(restored, clean, order="rgb") != ours(restored, clean, order="bgr")


def test_lpips_sees_values_outside_the_range(alexnet: Path) -> None:
    metric = Lpips(alexnet)
    restored, clean = map(to_float, pair())
    wide = restored * 1.5 - 0.25
    assert metric(wide, clean) != metric(np.clip(wide, 0, 1), clean)


@pytest.mark.parametrize(("net", "smallest"), [("alex", 31), pytest.param("vgg", 16, marks=pytest.mark.slow)])
def test_lpips_declares_the_smallest_side_it_can_take(net: str, smallest: int, tmp_path: Path) -> None:
    metric = Lpips(random_backbone(tmp_path / "backbone.pth", net), net=net)  # pyright: ignore[reportArgumentType]
    restored, clean = map(to_float, pair(size=(smallest, smallest + 9)))
    assert math.isfinite(metric(restored, clean))
    with pytest.raises(UserError, match=f"at least {smallest}x{smallest}"):
        metric(restored[1:], clean[1:])
    with pytest.raises(RuntimeError):
        metric.network(*(torch.zeros(1, 3, smallest - 1, smallest + 9) for _ in range(2)))


def test_building_a_network_leaves_the_random_state_alone(alexnet: Path) -> None:
    before = torch.get_rng_state()
    Lpips(alexnet)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_clean_image_itself_scores_best(protocol: str, alexnet: Path) -> None:
    scorer = Scorer(PROTOCOLS[protocol], lpips_weights=alexnet)
    restored, clean = pair()
    best, worse = scorer.add("set", "same", clean, clean), scorer.add("set", "noisy", restored, clean)
    worst = scorer.add("set", "noisier", pair(noise=40)[0], clean)
    assert best == {"psnr": math.inf, "ssim": pytest.approx(1.0, abs=1e-12), "lpips": 0.0}
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
    assert list(scorer.missing) == ["lpips", "fid"]
    for name, file in (("lpips", ALEXNET), ("fid", INCEPTION)):
        message = scorer.missing[name]
        assert file.name in message
        assert file.url in message
        assert str(tmp_path / "mine") in message
        assert "\n" not in message
    restored, clean = pair()
    assert list(scorer.add("set", "a", restored, clean)) == ["psnr", "ssim"]
    assert scorer.set_scores("set") == {}


@pytest.mark.parametrize("file", WEIGHT_FILES, ids=lambda file: file.name)
def test_missing_weights_name_the_file_its_address_and_every_folder(
    file, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_WEIGHTS", str(tmp_path / "env"))
    with pytest.raises(MissingWeights) as caught:
        find_weight_file(file)
    message = str(caught.value)
    for part in (file.name, file.url, tmp_path / "env", tmp_path / "weights", tmp_path / "torch/hub/checkpoints"):
        assert str(part) in message


def test_a_damaged_weight_file_is_refused_but_an_explicit_path_is_taken(alexnet: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    copy = tmp_path / "weights" / ALEXNET.name
    copy.write_bytes(alexnet.read_bytes())
    with pytest.raises(UserError, match=r"damaged or another file.*7be5be79"):
        Scorer(PROTOCOLS["modern"])
    assert "lpips" in Scorer(PROTOCOLS["modern"], lpips_weights=copy).metrics


def test_the_address_of_the_inception_weights_is_the_one_in_pytorch_fid() -> None:
    from pytorch_fid.inception import FID_WEIGHTS_URL

    assert INCEPTION.url == FID_WEIGHTS_URL
    assert {file.url.rsplit("/", 1)[1] for file in WEIGHT_FILES} == {file.name for file in WEIGHT_FILES}


def test_backbone_addresses_are_those_in_torchvision() -> None:
    weights = torchvision.models.AlexNet_Weights.IMAGENET1K_V1, torchvision.models.VGG16_Weights.IMAGENET1K_V1
    assert [weight.url for weight in weights] == [file.url for file in WEIGHT_FILES[:2]]


def test_broken_and_foreign_weight_files_are_told_in_a_sentence(tmp_path: Path) -> None:
    broken, foreign = tmp_path / "broken.pth", tmp_path / "foreign.pth"
    broken.write_bytes(b"not a checkpoint")
    torch.save({"features.0.weight": torch.zeros(3, 3)}, foreign)
    with pytest.raises(UserError, match="cannot be read as a weight file"):
        Lpips(broken)
    with pytest.raises(UserError, match="does not fit alexnet: 9 keys missing"):
        Lpips(foreign)
    with pytest.raises(UserError, match="weight file not found"):
        Lpips(tmp_path / "absent.pth")


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
