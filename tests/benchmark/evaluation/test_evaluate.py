"""Numbers of an evaluation do not depend on order, threads, protocols beside it, or where it was interrupted."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eval_data import eval_dataset, small_weights

from benchmark.dataset.folder import Dataset
from benchmark.evaluation.collect import Evaluated
from benchmark.evaluation.cost import measured_cost
from benchmark.evaluation.network import evaluate_network
from benchmark.evaluation.pairs import Restored, restore_pair
from benchmark.evaluation.scoring.scorer import MultiScorer
from benchmark.evaluation.scoring.threads import score_image, score_images, tokens
from benchmark.evaluation.store import Scored, Store
from benchmark.metrics.protocols import PROTOCOLS
from benchmark.results.parts import Method
from models.errors import UserError
from models.images.pixels import to_float, to_uint8
from models.inference.loading import load_restorer
from models.inference.restorer import Restorer

TWO = [PROTOCOLS["daclip"], PROTOCOLS["daclip-derain-y"]]
METHOD = Method("m", "M", "ir-sde")
MEASURED = ("seconds_per_image", "peak_memory_bytes")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset(eval_dataset(tmp_path_factory.mktemp("eval") / "data", rows=4))


@pytest.fixture(scope="module")
def restorer(tmp_path_factory: pytest.TempPathFactory) -> Restorer:
    return load_restorer("ir-sde", small_weights(tmp_path_factory.mktemp("weights"), "ir-sde"))


@pytest.fixture(scope="module")
def expected(data: Dataset, restorer: Restorer) -> list[Any]:
    return [comparable(one) for one in evaluate_network(restorer, data, TWO, method=METHOD)]


def comparable(evaluated: Evaluated) -> Any:
    """Return all of a result that follows from images and weights alone, and the rows."""
    value = evaluated.result.to_json()
    for name in MEASURED:
        assert value["cost"].pop(name) > 0
    return value, list(evaluated.rows)


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def test_the_results_are_what_the_formulas_give_on_each_restored_image(
    data: Dataset, restorer: Restorer, expected: list[Any]
) -> None:
    value, rows = expected[0]
    pairs = list(data.pairs("test"))
    assert [row["key"] for row in rows] == [pair.key for pair in pairs]
    by_type: dict[str, list[float]] = {}
    for pair, row in zip(pairs, rows, strict=True):
        image = to_uint8(restore_pair(restorer, pair).restored)[4:-4, 4:-4].astype(float)
        error = np.mean((image - pair.clean[4:-4, 4:-4]) ** 2)
        assert row["psnr"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-9)
        by_type.setdefault(pair.degradation, []).append(row["psnr"])
    means = {word: np.mean(values) for word, values in by_type.items()}
    assert len(means) == 2
    assert value["metrics"]["psnr"]["value"] == pytest.approx(np.mean(list(means.values())), abs=1e-9)
    assert {word: group["metrics"]["psnr"]["value"] for word, group in value["groups"].items()} == pytest.approx(means)
    assert (value["cost"]["nfe"], value["sampler"]["name"], value["n"]) == (3, "posterior", 8)


@pytest.mark.parametrize("after", range(0, 9, 2))
def test_an_evaluation_stopped_after_any_image_continues_and_ends_the_same(
    after: int, data: Dataset, restorer: Restorer, expected: list[Any], tmp_path: Path
) -> None:
    restored = []

    def stop(done: int) -> None:
        if done == after and len(restored) <= after + 3:
            raise Killed

    store = Store(tmp_path, "identity")
    with pytest.raises(Killed):
        evaluate_network(restorer, data, TWO, method=METHOD, store=store, progress=stop)
    store.close()
    store = Store(tmp_path, "identity")
    committed = {image.key for image in store.scored()}
    assert len(committed) == after
    evaluated = evaluate_network(
        restorer, data, TWO, method=METHOD, store=store, keep=lambda image: restored.append(image.key)
    )
    assert [comparable(one) for one in evaluated] == expected
    assert set(restored) == {pair.key for pair in data.pairs("test")} - committed
    store.remove()
    assert list(tmp_path.iterdir()) == []


def test_order_and_threads_change_no_number(data: Dataset, restorer: Restorer, expected: list[Any]) -> None:
    for workers in (1, 2, 3):
        scorer = MultiScorer(TWO)

        def shuffled(done: Collection[str], scorer: MultiScorer = scorer, workers: int = workers) -> Iterator[Scored]:
            pairs = [pair for pair in data.pairs("test") if pair.key not in done]
            order = np.random.default_rng(workers).permutation(len(pairs))
            images = (restore_pair(restorer, pairs[index]) for index in order)
            return score_images(scorer, images, workers=workers)

        found = evaluate_network(restorer, data, TWO, method=METHOD, scorer=scorer, work=shuffled)
        assert [comparable(one) for one in found] == expected


def test_protocols_scored_together_give_what_each_gives_alone(
    data: Dataset, restorer: Restorer, expected: list[Any]
) -> None:
    for protocol, both in zip(TWO, expected, strict=True):
        alone = evaluate_network(restorer, data, [protocol], method=METHOD)
        assert [comparable(one) for one in alone] == [both]


def test_the_card_decides_how_the_eight_bits_are_made(data: Dataset) -> None:
    pair = next(data.pairs("test"))
    image = to_float(pair.degraded) + np.float32(0.6 / 255)
    eight = {kind: to_uint8(image, rounding=kind) for kind in ("round", "truncate")}
    protocol, found = PROTOCOLS["daclip-table2"], {}
    for kind in ("round", "truncate"):
        scorer = MultiScorer([protocol])
        as_float = score_image(scorer, Restored("k", "hazy", pair.clean, image, kind))
        as_bytes = score_image(scorer, Restored("k", "hazy", pair.clean, eight[kind]))
        assert as_float.scores == as_bytes.scores
        found[kind] = as_float.scores[tokens(scorer)[protocol.name]]["psnr"]
    assert found["round"] != found["truncate"]


def test_another_protocol_goes_on_with_the_images_and_another_identity_does_not(
    data: Dataset, restorer: Restorer, tmp_path: Path
) -> None:
    restored: list[str] = []

    def run(protocols: list[Any], identity: str) -> int:
        before, store = len(restored), Store(tmp_path, identity)
        evaluate_network(
            restorer, data, protocols, method=METHOD, store=store, keep=lambda image: restored.append(image.key)
        )
        store.close()
        return len(restored) - before

    assert run(TWO, "a") == 8
    assert run(TWO, "a") == 0
    assert run(TWO[1:], "a") == 0  # as after a kill between the files of two results
    assert run([PROTOCOLS["modern"]], "a") == 8
    assert run(TWO[:1], "b") == 8


def test_what_is_written_down_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    image = Scored(
        key="a/ö",
        degradation="hazy",
        scores={"p-v1/x": {"psnr": float("inf"), "ssim": 0.1 + 0.2}, "q": {"psnr": float(generator.normal())}},
        features=generator.normal(size=2048).astype(np.float32),
        clean_features=generator.normal(size=2048).astype(np.float32),
        seconds=1.25,
        peak=2**40,
    )
    bare = Scored(key="b", degradation="noisy", scores={})
    store = Store(tmp_path, {"x": 1})
    store.commit(image)
    store.commit(bare)
    store.close()
    back = {found.key: found for found in Store(tmp_path, {"x": 1}).scored()}
    assert back["b"] == bare
    for name in ("scores", "degradation", "seconds", "peak"):
        assert getattr(back["a/ö"], name) == getattr(image, name)
    for name in ("features", "clean_features"):
        assert np.array_equal(getattr(back["a/ö"], name), getattr(image, name))
    assert list(Store(tmp_path, {"x": 2}).scored()) == []


def test_a_damaged_file_of_scored_images_is_told_in_one_sentence(tmp_path: Path) -> None:
    store = Store(tmp_path, "x")
    store.close()
    store.path.write_bytes(b"no database" * 100)
    with pytest.raises(UserError, match=r"sqlite: file is not a database: delete it"):
        Store(tmp_path, "x")


def test_the_cost_of_an_interrupted_run_counts_all_its_images(restorer: Restorer) -> None:
    images = [Scored(key=str(i), degradation="hazy", scores={}, seconds=float(i), peak=100 - i) for i in range(5)]
    cost = measured_cost(images, restorer)
    assert (cost.seconds_per_image, cost.peak_memory_bytes, cost.nfe) == (2.0, 100, 3)
    assert cost.flops is not None
    assert cost.flops > 0
