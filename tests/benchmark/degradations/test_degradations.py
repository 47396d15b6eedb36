"""Laws that every degradation operation obeys, and the three that the paper fixes to the bit."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmark.degradations import OPERATIONS
from benchmark.degradations.mask import brush_strokes
from benchmark.degradations.specs.pipeline import DEFAULT_SPECS, apply
from benchmark.report.contact_sheet import contact_sheet, degradation_sheet
from benchmark.sources.demo import tiles
from models.errors import UserError
from models.images.pixels import read, to_float
from models.vocabulary import DEGRADATIONS

TYPES = [name for name, card in OPERATIONS.items() if card.degradation is not None]
SIZES = [(8, 8), (33, 57), (128, 128), (200, 64)]

# Decibels between clean and degraded tiles: lowest and highest of a single tile, and the band of the mean.
BANDS = {
    "blur": (12, 45, 18, 28),
    "haze": (6, 30, 10, 17),
    "jpeg": (18, 40, 23, 30),
    "lowlight": (3, 30, 6, 14),
    "noise": (14, 18, 14.2, 16.5),
    "raindrop": (12, 40, 17, 28),
    "rain": (8, 20, 10, 15),
    "shadow": (7, 35, 11, 20),
    "snow": (7, 20, 10, 16),
    "mask": (3, 25, 6, 13),
}


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def photo(height: int, width: int) -> np.ndarray:
    tile = tiles("test", 1)[0].pixels()
    return cv2.resize(tile, (width, height), interpolation=cv2.INTER_AREA)


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((first.astype(float) - second) ** 2)))


def test_the_first_operations_are_one_for_each_type_in_the_papers_order() -> None:
    assert tuple(card.degradation for card in OPERATIONS.values())[:10] == DEGRADATIONS
    assert all(card.degradation is None for card in list(OPERATIONS.values())[10:])
    assert tuple(DEFAULT_SPECS) == DEGRADATIONS
    assert [card.name for card in OPERATIONS.values() if card.rounding == "truncate"] == ["noise"]
    assert {card.rounding for card in OPERATIONS.values() if card.degradation} == {"round", "truncate"}


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_shape_type_and_range_hold_at_any_size_and_the_input_stays_as_it_was(name: str, size: tuple[int, int]) -> None:
    operation = OPERATIONS.load(name)
    image = to_float(photo(*size))
    before = image.copy()
    image.setflags(write=False)
    for seed in range(3):
        degraded = operation(image, seeded(seed))
        assert degraded.shape == (*size, 3)
        assert degraded.dtype == np.float32
        assert np.isfinite(degraded).all()
        assert degraded.min() >= 0
        assert degraded.max() <= 1
        assert not np.shares_memory(degraded, image)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("value", [0, 255], ids=["black", "white"])
def test_flat_images_are_no_special_case(name: str, value: int) -> None:
    flat = np.full((40, 24, 3), value, np.uint8)
    assert apply(f"{name}()", flat, seed=0, key="flat").shape == flat.shape


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_spec_seed_and_key_determine_every_bit(degradation: str) -> None:
    spec = DEFAULT_SPECS[degradation]
    pixels = photo(64, 80)
    first = apply(spec, pixels, seed=3, key="a")
    assert first.dtype == np.uint8
    assert np.array_equal(first, apply(spec, pixels, seed=3, key="a"))
    assert not np.array_equal(first, pixels)
    if degradation != "jpeg-compressed":  # nothing is random in JPEG
        assert not np.array_equal(first, apply(spec, pixels, seed=3, key="b"))
        assert not np.array_equal(first, apply(spec, pixels, seed=4, key="a"))


@pytest.mark.parametrize("name", TYPES)
def test_a_type_is_as_strong_as_its_published_sets(name: str) -> None:
    low, high, mean_low, mean_high = BANDS[name]
    spec = dict(zip(TYPES, DEFAULT_SPECS.values(), strict=True))[name]
    scores = [psnr(apply(spec, tile.pixels(), seed=0, key=tile.name), tile.pixels()) for tile in tiles("test", 12)]
    assert low < min(scores)
    assert max(scores) < high
    assert mean_low < np.mean(scores) < mean_high


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("blur(length=-3)", "length must be a number from 1 to 200, not -3"),
        ('haze(beta="thick")', "beta must be a number from 0.1 to 5, not 'thick'"),
        ("jpeg(quality=10.5)", "quality must be a whole number from 1 to 100, not 10.5"),
        ("lowlight(exposure=2)", "exposure must be a number from 0.0005 to 1, not 2"),
        ("noise(sigma=true)", "sigma must be a number from 0 to 255, not True"),
        ("raindrop(coverage=1)", "coverage must be a number from 0.01 to 0.9, not 1"),
        ("rain(layers=0)", "layers must be a whole number from 1 to 5, not 0"),
        ("shadow(light=0)", "light must be a number from 0.01 to 0.9, not 0"),
        ("snow(angle=90)", "angle must be a number from -80 to 80, not 90"),
        ("mask(keep=0)", "keep must be a number from 0.3 to 0.99, not 0"),
    ],
)
def test_a_parameter_out_of_range_is_named_with_what_came_and_what_is_allowed(spec: str, what: str) -> None:
    with pytest.raises(UserError) as caught:
        apply(spec, photo(16, 16), seed=0, key="x")
    assert str(caught.value) == f"in {spec}: {what}"


def test_jpeg_equals_what_opencv_and_pillow_write() -> None:
    pixels = photo(121, 97)
    degraded = apply("jpeg(quality=10)", pixels, seed=0, key="k")
    _, coded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 10])
    assert np.array_equal(degraded, np.asarray(Image.open(io.BytesIO(coded.tobytes()))))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=10, subsampling=2)
    assert np.array_equal(degraded, np.asarray(Image.open(buffer)))


def test_jpeg_equals_the_authors_own_file(shared) -> None:
    data = shared / "reference" / "data"
    published = data / "samples" / "authors_demo" / "sailing2.png"
    if not published.is_file():
        pytest.skip(f"no {published}")
    clean = read(data / "LIVE1" / "GT" / "sailing2.png")
    assert np.array_equal(apply("jpeg(quality=10)", clean, seed=0, key="any"), read(published))


def test_mask_paints_holes_exactly_white_and_touches_nothing_else() -> None:
    pixels = np.minimum(photo(96, 160), 254)
    degraded = apply("mask()", pixels, seed=0, key="k")
    holes = (degraded == 255).all(axis=2)
    assert 0.5 <= 1 - holes.mean() <= 0.98
    assert np.array_equal(degraded[~holes], pixels[~holes])
    assert (degraded == 255).any(axis=2).sum() == holes.sum()


def test_masks_keep_as_much_as_the_authors() -> None:
    black = np.zeros((128, 128, 3), np.uint8)
    kept = np.array([(apply("mask()", black, seed=0, key=str(i)) == 0).mean() for i in range(200)])
    # The authors' 100 masks: mean 0.703, minimum 0.501, maximum 0.965.
    assert abs(kept.mean() - 0.703) < 0.03
    assert kept.min() >= 0.5
    assert kept.max() <= 0.98


def test_masks_are_as_thin_as_the_authors(shared) -> None:
    folder = shared / "reference" / "data" / "masks" / "thin"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")

    def thickness(holes: np.ndarray) -> float:
        # Area over half the border length: the mean width of long strokes, in pixels of a 256-pixel image.
        inner = cv2.erode(holes.astype(np.uint8), np.ones((3, 3), np.uint8))
        return float(2 * holes.sum() / max(holes.sum() - inner.sum(), 1))

    real = [thickness(read(path)[..., 0] == 0) for path in sorted(folder.glob("*.png"))]
    ours = [thickness(brush_strokes(256, 256, seeded(i), covered=0.3)) for i in range(50)]
    assert abs(np.mean(ours) / np.mean(real) - 1) < 0.25


def test_an_explicit_keep_ratio_is_met() -> None:
    for keep in (0.5, 0.7, 0.9):
        holes = brush_strokes(200, 300, seeded(1), covered=1 - keep)
        assert keep <= 1 - holes.mean() < keep + 0.03


def test_blur_kernels_sum_to_one_and_keep_a_flat_image() -> None:
    flat = np.full((50, 70, 3), 0.4, np.float32)
    assert np.allclose(OPERATIONS.load("blur")(flat, seeded()), flat, atol=1e-5)


def test_straight_blur_smears_along_its_direction_only() -> None:
    stripes = np.zeros((64, 64, 3), np.float32)
    stripes[::8] = 1
    blur = OPERATIONS.load("blur")
    along = blur(stripes, seeded(), length=12, angle=0, bend=0)
    across = blur(stripes, seeded(), length=12, angle=90, bend=0)
    assert np.abs(along - stripes).max() < 1e-3
    assert np.abs(across - stripes).max() > 0.3


def test_haze_follows_the_scattering_equation() -> None:
    image = to_float(photo(64, 64))
    hazy = OPERATIONS.load("haze")(image, seeded(2), beta=1.0, airlight=0.9)
    # With I = J t + A (1 - t) every pixel lies between the scene and the airlight, and t between exp(-1) and exp(-0.2).
    airlight = OPERATIONS.load("haze")(np.ones_like(image), seeded(2), beta=5.0, airlight=0.9).min(axis=(0, 1))
    assert np.abs(airlight - 0.9).max() < 0.06
    assert (hazy >= np.minimum(image, 0.84) - 1e-3).all()
    assert (hazy <= np.maximum(image, 0.96) + 1e-3).all()
    dark = image < 0.05
    transmission = 1 - hazy[dark] / 0.9
    assert transmission.min() > np.exp(-1) - 0.1
    assert transmission.max() < np.exp(-0.2) + 0.1


def test_low_light_is_darker_by_the_exposure_and_noisier_with_fewer_photons() -> None:
    grey = np.full((128, 128, 3), 0.6, np.float32)
    lowlight = OPERATIONS.load("lowlight")
    many = lowlight(grey, seeded(), exposure=0.02, electrons=1e6, read=0) ** 2.2 / grey**2.2
    few = lowlight(grey, seeded(), exposure=0.02, electrons=1e4, read=0) ** 2.2 / grey**2.2
    assert abs(many.mean() / 0.02 - 1) < 0.01
    assert 8 < few.std() / many.std() < 12  # photon noise goes with the root of the number of electrons


def test_rain_and_snow_only_brighten_a_dark_image_and_shadows_only_darken() -> None:
    image = to_float(photo(96, 96))
    assert (OPERATIONS.load("rain")(image, seeded()) >= image - 1e-6).all()
    assert (OPERATIONS.load("snow")(image * 0.9, seeded()) >= image * 0.9 - 1e-6).all()
    assert (OPERATIONS.load("shadow")(image, seeded()) <= image + 1e-5).all()


@pytest.mark.parametrize("density", [0.2, 0.6])
def test_rain_covers_the_stated_fraction(density: float) -> None:
    black = np.zeros((256, 256, 3), np.float32)
    rainy = OPERATIONS.load("rain")(black, seeded(), density=density, strength=1.0)
    assert abs((rainy > 0.02).mean() - density) < 0.08
    assert np.array_equal(rainy[..., 0], rainy[..., 2])


def test_shadows_cover_the_stated_fraction_and_are_bluish() -> None:
    white = np.ones((128, 160, 3), np.float32)
    dark = OPERATIONS.load("shadow")(white, seeded(), coverage=0.4, softness=0.0, light=0.15, tint=0.3)
    inside = dark[..., 1] < 0.9
    assert abs(inside.mean() - 0.4) < 0.01
    assert dark[inside][:, 2].mean() > dark[inside][:, 0].mean() + 0.02


def test_raindrops_leave_the_rest_of_the_image_untouched() -> None:
    image = to_float(photo(128, 128))
    wet = OPERATIONS.load("raindrop")(image, seeded(), coverage=0.2)
    untouched = (wet == image).all(axis=2).mean()
    assert 0.5 < untouched < 0.95


def test_a_contact_sheet_shows_each_image_in_its_cell() -> None:
    red, blue = np.zeros((20, 30, 3), np.uint8), np.zeros((30, 20, 3), np.uint8)
    red[..., 0] = 255
    blue[..., 2] = 255
    sheet = contact_sheet([("first", [red, blue]), ("second", [blue, red])], columns=["A", "B"], cell=40)
    assert sheet.dtype == np.uint8
    assert abs((sheet == (255, 0, 0)).all(axis=2).sum() - 2 * 40 * 27) < 200
    assert (sheet == (255, 0, 0)).all(axis=2).sum() == (sheet == (0, 0, 255)).all(axis=2).sum()
    with pytest.raises(ValueError, match="1 images for 2 columns"):
        contact_sheet([("short", [red])], columns=["A", "B"])


def test_the_degradation_sheet_has_a_column_for_clean_and_each_type() -> None:
    sheet = degradation_sheet([("tile", photo(32, 32))], cell=32)
    assert sheet.shape[1] > 11 * 32
