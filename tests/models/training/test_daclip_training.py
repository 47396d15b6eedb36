"""Training DA-CLIP: large batches in chunks and over processes, the published start, and the variants of the loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_models import CLIP, shake
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from models.daclip.build import build_daclip
from models.daclip.chunks import chunked_features
from models.daclip.controller import DaClip
from models.daclip.gather import gather
from models.daclip.loss import contrastive_loss, daclip_loss, degradation_loss_floor, multi_positive_loss
from models.daclip.tokenise import tokenise_pairs
from models.errors import UserError
from models.training.optimizers import make_optimizer
from models.training.recipe import Recipe, load_recipe
from models.training.tasks.daclip import DaClipTask

CAPTIONS = ["a cat", "a dog on grass", "a cat", "two boats", "a red car", "snow on a roof", "a face", "an old door"]
WORDS = ["noisy", "hazy", "noisy", "rainy", "hazy", "noisy", "rainy", "noisy"]
LABELS = torch.tensor([2, 0, 2, 1, 0, 2, 1, 2])


def model() -> DaClip:
    torch.manual_seed(0)
    daclip = build_daclip(clip=CLIP, pretrained=None)
    shake(daclip)
    return daclip.double().train()


def batch() -> tuple[Tensor, Tensor, Tensor]:
    images = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return images, tokenise_pairs(CAPTIONS, WORDS), LABELS


def gradients(daclip: DaClip) -> dict[str, Tensor]:
    return {name: p.grad for name, p in daclip.named_parameters() if p.grad is not None}


def whole_batch(daclip: DaClip) -> tuple[Tensor, dict[str, Tensor]]:
    images, text, _ = batch()
    total = daclip_loss(daclip(images, text)).total
    total.backward()
    return total.detach(), gradients(daclip)


@pytest.mark.parametrize("size", [1, 3, 4, 7])
def test_chunks_give_the_gradient_of_the_whole_batch(size: int) -> None:
    expected, wanted = whole_batch(model())
    daclip = model()
    images, text, _ = batch()
    seen = []
    daclip.visual_control.conv1.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    total = daclip_loss(chunked_features(daclip, images, text, chunk_size=size)).total
    total.backward()
    assert total.item() == pytest.approx(expected.item(), abs=1e-12)
    assert sum(seen) == 16
    assert max(seen) == size
    found = gradients(daclip)
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-10, rtol=1e-8, msg=name)


def test_chunks_keep_no_activations_between_the_passes() -> None:
    images, text, _ = batch()
    kept = {}
    for size in (None, 2):
        daclip, total = model(), [0]

        def keep(tensor: Tensor, total: list[int] = total) -> Tensor:
            total[0] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            daclip_loss(chunked_features(daclip, images, text, chunk_size=size))
        kept[size] = total[0]
    # Of the chunks only the images themselves are left.
    assert kept[2] < 1.05 * images.numel()
    assert kept[None] > 9 * images.numel()


def part_of_two(rank: int, folder: str, with_gradient: bool, chunk_size: int | None) -> None:
    """Run on each of two processes: the loss of its half of the batch, gathered, and its gradient."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    daclip = model()
    images, text, labels = (part[rank * 4 : rank * 4 + 4] for part in batch())
    features = chunked_features(daclip, images, text, chunk_size=chunk_size)
    together, everyone = gather(features, labels, with_gradient=with_gradient)
    terms = daclip_loss(together)
    terms.total.backward()
    facts = {"loss": terms.total.detach(), "labels": everyone, "floor": torch.tensor(degradation_loss_floor(everyone))}
    torch.save({**facts, "gradients": gradients(daclip)}, f"{folder}/{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize(("with_gradient", "chunk_size"), [(False, None), (True, None), (False, 3), (True, 3)])
def test_two_processes_compute_what_one_does(with_gradient: bool, chunk_size: int | None, tmp_path: Path) -> None:
    expected, wanted = whole_batch(model())
    spawn(part_of_two, (str(tmp_path), with_gradient, chunk_size), nprocs=2)
    ranks: list[dict[str, Any]] = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for rank in ranks:
        assert rank["loss"].item() == pytest.approx(expected.item(), abs=1e-12)
        assert torch.equal(rank["labels"], LABELS)
        assert rank["floor"].item() == pytest.approx(degradation_loss_floor(LABELS))
    for name, gradient in wanted.items():
        mean = (ranks[0]["gradients"][name] + ranks[1]["gradients"][name]) / 2
        # As published, a process's rows get the gradient of its own copy of the loss alone.
        share = 1.0 if with_gradient or name == "logit_scale" else 0.5
        torch.testing.assert_close(mean, share * gradient, atol=1e-10, rtol=1e-8, msg=name)


def test_without_other_processes_nothing_is_gathered() -> None:
    images, text, labels = batch()
    features = model()(images, text)
    assert gather(features, labels) == (features, labels)


def unit(seed: int, rows: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, 8, generator=generator, dtype=torch.float64), dim=1)


def test_all_images_of_a_degradation_can_be_positives_of_its_text() -> None:
    labels, scale = torch.tensor([0, 1, 0, 2, 0, 1]), torch.tensor(7.0, dtype=torch.float64)
    image, text = unit(0), unit(1)
    odds = np.exp(7.0 * image.numpy() @ text.numpy().T)
    together = labels.numpy()[:, None] == labels.numpy()[None]
    rows = -np.log((odds * together).sum(1) / odds.sum(1)).mean()
    columns = -np.log((odds * together).sum(0) / odds.sum(0)).mean()
    loss = multi_positive_loss(image, text, scale, labels)
    assert loss.item() == pytest.approx((rows + columns) / 2, abs=1e-12)
    distinct = multi_positive_loss(image, text, scale, torch.arange(6))
    assert distinct.item() == pytest.approx(contrastive_loss(image, text, scale).item(), abs=1e-12)
    perfect = F.one_hot(labels, 3).double()
    assert multi_positive_loss(perfect, perfect, scale * 10, labels).item() == pytest.approx(0, abs=1e-9)


def test_the_mean_over_positives_would_be_the_published_loss_again() -> None:
    labels = torch.tensor([0, 1, 0, 2, 0, 1])
    text = unit(1, 3)[labels]
    results = []
    for mean_of_positives in (False, True):
        image = unit(0).requires_grad_()
        logits = 9.0 * image @ text.T
        shares = (labels[:, None] == labels[None]).double()
        shares = shares / shares.sum(1, keepdim=True) if mean_of_positives else torch.eye(6, dtype=torch.float64)
        loss = (F.cross_entropy(logits, shares) + F.cross_entropy(logits.T, shares)) / 2
        loss.backward()
        results.append(image.grad)
    torch.testing.assert_close(results[0], results[1])
    image = unit(0).requires_grad_()
    multi_positive_loss(image, text, torch.tensor(9.0, dtype=torch.float64), labels).backward()
    assert not torch.allclose(image.grad, results[0], rtol=0.05)  # pyright: ignore[reportArgumentType]


def recipe(**changes: Any) -> Recipe:
    base = load_recipe("daclip", preset="demo").model_dump()
    return Recipe.model_validate({**base, "arch": {"clip": CLIP, "pretrained": None}, "patch_size": 64, **changes})


def task_batch() -> dict[str, Tensor]:
    images, text, labels = batch()
    return {"image": images.float(), "clean": images.flip(0).float(), "text": text, "label": labels}


def test_the_distance_to_the_clean_content_is_added_with_its_weight() -> None:
    torch.manual_seed(0)
    task = DaClipTask(recipe(content_l1=3.0, chunk_size=4))
    shake(task.trainable)
    total, numbers = task.loss(task_batch())
    with torch.no_grad():
        content, clean = (task.trainable.embed(task_batch()[n], normalize=True)[0] for n in ("image", "clean"))
    distance = (content - clean).abs().mean()
    assert float(numbers["content_l1"]) == pytest.approx(distance.item(), rel=1e-4)
    parts = float(numbers["content"]) + float(numbers["degradation"])
    assert total.item() == pytest.approx(parts + 3 * distance.item(), rel=1e-5)
    without = DaClipTask(recipe())
    without.trainable.load_state_dict(task.trainable.state_dict())
    plain, numbers = without.loss({k: v for k, v in task_batch().items() if k != "clean"})
    assert "content_l1" not in numbers
    assert plain.item() == pytest.approx(parts, rel=1e-5)


@pytest.mark.parametrize(("loss", "floor"), [("contrastive", degradation_loss_floor(LABELS)), ("multi-positive", 0.0)])
def test_the_floor_of_the_degradation_term_is_logged(loss: str, floor: float) -> None:
    torch.manual_seed(0)
    _, numbers = DaClipTask(recipe(loss=loss)).loss(task_batch())
    assert float(numbers["degradation_floor"]) == pytest.approx(floor)
    assert float(numbers["degradation"]) > floor


def test_another_loss_is_refused() -> None:
    with pytest.raises(UserError, match="contrastive or multi-positive, got 'l1'"):
        DaClipTask(recipe(loss="l1"))


@torch.no_grad()
def test_a_controller_on_pretrained_weights_starts_as_the_published_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = build_daclip(clip=CLIP, pretrained=None).clip
    source.visual.ln_post.weight.copy_(torch.rand(64) + 0.5)
    source.visual.ln_post.bias.copy_(0.01 * torch.randn(64))
    torch.save(source.state_dict(), tmp_path / "clip.pt")
    file = str(tmp_path / "clip.pt")
    daclip = build_daclip(clip=CLIP, pretrained=file).eval()
    norm, control = source.visual.ln_post, daclip.visual_control
    first, *others = control.transformer.zero_modules
    assert torch.equal(first.weight, norm.weight[None].repeat(64, 1))
    assert torch.equal(first.bias, norm.bias)
    assert all(not p.any() for module in others for p in module.parameters())
    assert torch.equal(control.ln_post.weight, torch.ones(64))
    assert not control.ln_post.bias.any()
    assert torch.equal(control.proj, source.visual.proj)
    image = torch.randn(2, 3, 64, 64)
    plain = daclip.encode_image(image)
    torch.testing.assert_close(daclip.embed(image)[0], plain, atol=0.05, rtol=0.05)
    # Without a bias in CLIP's last norm the content embedding is CLIP's exactly.
    first.bias.zero_()
    torch.testing.assert_close(daclip.embed(image)[0], plain, atol=1e-5, rtol=1e-5)
    meant = build_daclip(clip=CLIP, pretrained=file, official_init=False)
    assert torch.equal(meant.visual_control.ln_post.weight, norm.weight)
    assert not any(p.any() for p in meant.visual_control.transformer.zero_modules.parameters())


def test_the_published_parameters_are_decayed_and_no_others() -> None:
    settings = recipe(optimizer=load_recipe("daclip", preset="paper").optimizer.model_dump())
    daclip = DaClipTask(settings).trainable
    optimizer = make_optimizer(settings, daclip)
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    trained = {name: p for name, p in daclip.named_parameters() if p.requires_grad}
    assert len(decays) == len(trained)
    for name, p in trained.items():
        spared = p.ndim < 2 or any(part in name for part in ("bn", "ln", "bias", "logit_scale"))
        assert decays[id(p)] == (0 if spared else 0.05), name
    assert optimizer.defaults["betas"] == (0.9, 0.98)
    assert optimizer.defaults["eps"] == 1e-6
