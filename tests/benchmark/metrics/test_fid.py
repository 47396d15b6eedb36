"""FID against pytorch-fid: the network, the distance, and the scorer that joins them."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from one_protocol import Scorer
from PIL import Image
from pytorch_fid.fid_score import calculate_frechet_distance, get_activations
from pytorch_fid.inception import InceptionV3
from torchvision.models import inception_v3

from benchmark.downloads.find import INCEPTION, MissingWeights, find_weight_file, load_state
from benchmark.evaluation.scoring.scorer import MultiScorer
from benchmark.metrics.fid import Fid, frechet_distance
from benchmark.metrics.inception import InceptionFeatures
from benchmark.metrics.protocols import PROTOCOLS
from models.errors import UserError
from models.images.pixels import read


def theirs(a: np.ndarray, b: np.ndarray) -> float:
    return float(
        calculate_frechet_distance(a.mean(axis=0), np.cov(a, rowvar=False), b.mean(axis=0), np.cov(b, rowvar=False))
    )


def by_eigenvalues(a: np.ndarray, b: np.ndarray) -> float:
    """The textbook route through the root of one D x D covariance, independent of the one under test."""
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root @ cov_b @ root), 0, None)).sum()
    offset = a.mean(axis=0) - b.mean(axis=0)
    return float(offset @ offset + np.trace(cov_a) + np.trace(cov_b) - 2 * shared)


def features(rows: int, columns: int, seed: int) -> np.ndarray:
    """Correlated, non-negative features of unequal spread, like those of a network."""
    generator = np.random.default_rng(seed)
    mixed = generator.normal(size=(rows, columns)) @ generator.normal(size=(columns, columns)) / np.sqrt(columns)
    return np.abs(mixed + 0.3 * seed) * np.linspace(0.2, 2.0, columns)


@pytest.mark.skipif(
    "disp" not in inspect.signature(scipy.linalg.sqrtm).parameters,
    reason="pytorch-fid 0.3.0 passes an argument to scipy's sqrtm that SciPy 1.18 removes",
)
@pytest.mark.filterwarnings("ignore:The `disp` argument is deprecated:DeprecationWarning")
@pytest.mark.parametrize(("n", "m", "columns"), [(500, 400, 16), (300, 300, 64), (129, 200, 128)])
def test_distance_equals_pytorch_fid_where_covariances_have_full_rank(n: int, m: int, columns: int) -> None:
    a, b = features(n, columns, 1), features(m, columns, 2)
    assert frechet_distance(a, b) == pytest.approx(theirs(a, b), rel=1e-6)


@pytest.mark.parametrize(("n", "m", "columns"), [(10, 12, 64), (15, 15, 256), (2, 2, 32), (100, 5, 64)])
def test_distance_of_few_images_equals_the_textbook_route(n: int, m: int, columns: int) -> None:
    a, b = features(n, columns, 1), features(m, columns, 2)
    # the textbook route takes roots of zeros that are zero to 1e-16 only, hence 1e-6
    assert frechet_distance(a, b) == pytest.approx(by_eigenvalues(a, b), rel=1e-6)


def test_distance_of_known_gaussians() -> None:
    # rows +-s on each axis: mean 0 and a diagonal covariance, for which the distance is sum((s_a - s_b)^2)
    def cross(spreads: np.ndarray) -> np.ndarray:
        axes = np.diag(spreads * np.sqrt((2 * len(spreads) - 1) / 2))
        return np.concatenate([axes, -axes])

    a, b = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 0.5])
    assert frechet_distance(cross(a), cross(b)) == pytest.approx(((a - b) ** 2).sum(), rel=1e-12)
    assert frechet_distance(cross(a) + 5.0, cross(b)) == pytest.approx(((a - b) ** 2).sum() + 75.0, rel=1e-12)


@pytest.mark.parametrize(("n", "columns"), [(15, 2048), (200, 32)])
def test_distance_of_a_set_to_itself_is_zero(n: int, columns: int) -> None:
    a = features(n, columns, 1)
    assert 0.0 <= frechet_distance(a, a) < 1e-9
    assert 0.0 <= frechet_distance(a, a[::-1]) < 1e-9
    assert frechet_distance(a, a * 1.01) > 1e-6


def test_distance_is_symmetric_and_grows_with_the_difference() -> None:
    a, b = features(20, 512, 1), features(20, 512, 2)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-10)
    between = [frechet_distance(a, a + step * (b - a)) for step in (0.0, 0.3, 0.6, 1.0)]
    assert between == sorted(between)


def test_order_of_images_does_not_touch_a_bit() -> None:
    a, b = features(9, 128, 1).astype(np.float32), features(9, 128, 2).astype(np.float32)
    forwards, backwards = Fid(), Fid()
    for index in range(9):
        forwards.update(str(index), a[index], b[index])
        backwards.update(str(8 - index), a[8 - index], b[8 - index])
    assert forwards.compute() == backwards.compute()
    assert len(forwards) == 9


def test_fewer_than_two_images_are_refused() -> None:
    fid = Fid()
    fid.update("a", np.zeros(4), np.zeros(4))
    with pytest.raises(UserError, match="at least two images"):
        fid.compute()
    with pytest.raises(UserError, match="at least two images"):
        frechet_distance(np.zeros((1, 4)), np.zeros((5, 4)))
    with pytest.raises(UserError, match="same columns"):
        frechet_distance(np.zeros((3, 4)), np.zeros((3, 5)))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A torch hub folder that holds a random Inception, where pytorch-fid finds it under the published name."""
    home = tmp_path_factory.mktemp("torch")
    path = home / "hub" / "checkpoints" / INCEPTION.name
    path.parent.mkdir(parents=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
        # FID's pooling branches are as wide as torchvision's, so the shapes agree
        for name, value in network.state_dict().items():
            if value.ndim == 4:
                torch.nn.init.kaiming_normal_(value, nonlinearity="relu")
            elif name.endswith("bn.bias"):
                torch.nn.init.uniform_(value, -0.2, 0.2)
            elif name.endswith(("bn.weight", "running_var")):
                torch.nn.init.uniform_(value, 0.7, 1.3)
        torch.save(network.state_dict(), path)
    return home


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    generator = np.random.default_rng(7)
    sizes = [(40, 60), (60, 40), (75, 75), (320, 310)]
    return [
        np.clip(np.cumsum(generator.normal(0, 9, (*size, 3)), axis=1) + 120, 0, 255).astype(np.uint8) for size in sizes
    ]


def test_features_equal_those_of_pytorch_fid(
    hub: Path, photos: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(hub))
    files = [tmp_path / f"{index}.png" for index in range(len(photos))]
    for path, photo in zip(files, photos, strict=True):
        Image.fromarray(photo).save(path)
    oracle = InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    expected = get_activations(files, oracle, batch_size=1, num_workers=0)
    ours = InceptionFeatures(hub / "hub" / "checkpoints" / INCEPTION.name)
    actual = np.stack([ours(photo) for photo in photos])
    assert expected.std() > 1e-2
    assert actual.shape == (4, 2048)
    assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()


def test_weights_without_classifier_and_counters_load_too(hub: Path, photos: list[np.ndarray], tmp_path: Path) -> None:
    path = hub / "hub" / "checkpoints" / INCEPTION.name
    state = torch.load(path, weights_only=True)
    short = {k: v for k, v in state.items() if not k.startswith("fc.") and not k.endswith("num_batches_tracked")}
    torch.save(short, tmp_path / "short.pth")
    before = torch.get_rng_state()
    assert np.array_equal(InceptionFeatures(path)(photos[0]), InceptionFeatures(tmp_path / "short.pth")(photos[0]))
    assert torch.equal(before, torch.get_rng_state())
    short.pop("Mixed_7c.branch1x1.conv.weight")
    torch.save(short, tmp_path / "shorter.pth")
    with pytest.raises(UserError, match=r"keys missing \(first .*Mixed_7c.branch1x1.conv.weight"):
        InceptionFeatures(tmp_path / "shorter.pth")


def test_scorer_gives_the_distance_between_restored_and_clean_files(
    hub: Path, photos: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = hub / "hub" / "checkpoints" / INCEPTION.name
    scorer = Scorer(PROTOCOLS["modern"], weights_folder=tmp_path, fid_weights=weights)
    assert scorer.metrics == ("psnr", "ssim", "fid", "kid")
    restored = [255 - photo for photo in photos]
    for index in (2, 0, 3, 1):
        scorer.add("inverted", str(index), restored[index], photos[index])
        scorer.add("same", str(index), photos[index], photos[index])
    network = InceptionFeatures(weights)
    expected = frechet_distance(np.stack([*map(network, restored)]), np.stack([*map(network, photos)]))
    found = scorer.set_results("inverted")["fid"]
    assert (found.value, found.n, found.ci95) == (expected, 4, None)
    assert found.warning == "FID of 4 images, fewer than its 2048 features: compare it at equal N only"
    assert scorer.set_scores("same")["fid"] < 1e-9 < expected
    scorer.add("lonely", "0", restored[0], photos[0])
    with pytest.raises(UserError, match="lonely: FID needs at least two"):
        scorer.set_scores("lonely")
    with pytest.raises(UserError, match="nothing was scored in the group 'absent'"):
        scorer.set_scores("absent")


def test_features_of_clean_images_are_computed_once_and_found_again_by_the_next_scorer(
    hub: Path, photos: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = hub / "hub" / "checkpoints" / INCEPTION.name
    seen: list[int] = []
    call = InceptionFeatures.__call__

    def counted(self: InceptionFeatures, image: np.ndarray) -> np.ndarray:
        seen.append(image.size)
        return call(self, image)

    monkeypatch.setattr(InceptionFeatures, "__call__", counted)

    def evaluate(cache: Path | None) -> tuple[dict, int]:
        scorer = MultiScorer((PROTOCOLS["modern"], PROTOCOLS["daclip"]), fid_weights=weights, feature_cache=cache)
        seen.clear()
        for index, photo in enumerate(photos[:3]):
            scorer.add("inverted", str(index), 255 - photo, photo)
            scorer.add("same", str(index), photo, photo)
        return scorer.set_scores("inverted"), len(seen)

    without, cold, warm = evaluate(None), evaluate(tmp_path / "f.sqlite"), evaluate(tmp_path / "f.sqlite")
    assert (without[1], cold[1], warm[1]) == (6, 6, 3)
    assert without[0] == cold[0] == warm[0]
    assert without[0]["modern"]["fid"] == without[0]["daclip"]["fid"]
    assert list(without[0]["daclip"]) == ["fid"]
    assert without[0]["modern"]["kid"].n == 3


@pytest.mark.slow
def test_published_weights_give_the_number_of_pytorch_fid_on_the_same_folders(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        weights = find_weight_file(INCEPTION)
    except MissingWeights as error:
        pytest.skip(str(error))
    folder = shared / "reference/data/LOL_eval15"
    if not folder.is_dir():
        pytest.skip(f"no LOL test set at {folder}")
    home = tmp_path / "hub" / "checkpoints"
    home.mkdir(parents=True)
    torch.save({**load_state(weights), **classifier()}, home / INCEPTION.name)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    oracle = InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    files = {name: sorted((folder / name).glob("*.png")) for name in ("LQ", "GT")}
    acts = {name: get_activations(paths, oracle, batch_size=1, num_workers=0) for name, paths in files.items()}
    network = InceptionFeatures(weights)
    ours = {name: np.stack([network(read(path)) for path in paths]) for name, paths in files.items()}
    assert frechet_distance(ours["LQ"], ours["GT"]) == pytest.approx(by_eigenvalues(acts["LQ"], acts["GT"]), rel=1e-4)


def classifier() -> dict[str, torch.Tensor]:
    """The part of pytorch-fid's file that FID does not use and its loader wants."""
    return {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
