"""Recipes: a preset from a YAML file plus overrides, typed, complete, and refused when a key is unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import UserError, close_match
from models.recipes import RECIPES

FOLDER = Path(__file__).parents[1] / "recipes"


class Part(BaseModel):
    """A frozen group of settings that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Optimizer(Part):
    """AdamW's settings."""

    lr: float = Field(gt=0)
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)


class Schedule(Part):
    """Linear warm-up, then a cosine from `lr` to `minimum_lr` over the remaining steps."""

    warmup_steps: int = Field(default=0, ge=0)
    minimum_lr: float = Field(default=0.0, ge=0)


class Ema(Part):
    """Exponential moving average of the weights."""

    decay: float = Field(gt=0, lt=1)
    every: int = Field(default=1, ge=1)
    rule: Literal["counted", "ema-pytorch"] = "counted"


class Diffusion(Part):
    """The mean-reverting process that a diffusion network is trained on; stored with its weights."""

    steps: int = Field(default=100, ge=1)
    max_sigma: float = Field(default=50.0, gt=0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    eps: float = Field(default=0.005, gt=0, lt=1)


class Recipe(Part):
    """Everything that determines a training run, data excepted.

    Arguments:
        name: The recipe.
        preset: The preset that it started from.
        task: What is fitted.
        arch: Constructor arguments of the network, or of the CLIP that DA-CLIP controls.
        steps: Optimiser steps.
        batch_size: Pairs a step.
        patch_size: Side of the square training crop in pixels (for DA-CLIP, of the resized image).
        flips: Whether DA-CLIP's images are mirrored at random; the paper's are not. Restoration patches are always
            flipped and transposed, as the paper's.
        loss: Name of the loss.
        optimizer: AdamW's settings.
        schedule: Of the learning rate.
        ema: Moving average, or null for none.
        sde: The process, for diffusion networks; null for the others.
        chunk_size: For DA-CLIP, images whose activations are in memory at a time; null for the whole batch.
        gather_gradients: For DA-CLIP on several processes, whether gradients flow through the gathered features; the
            published training's do not.
        content_l1: For DA-CLIP, weight of the distance between the content embeddings of degraded and clean image.
        seed: Of initialisation, order and augmentation.
        log_every: Steps between two log lines.
        save_every: Steps between two checkpoints.
    """

    name: str
    preset: str
    task: Literal["restoration", "diffusion", "daclip"]
    arch: dict[str, Any] = Field(default_factory=dict)
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    patch_size: int = Field(ge=8)
    flips: bool = False
    loss: Literal["l1", "mse", "psnr", "optimum-path", "contrastive", "multi-positive"]
    optimizer: Optimizer
    schedule: Schedule = Schedule()
    ema: Ema | None = None
    sde: Diffusion | None = None
    chunk_size: int | None = Field(default=None, ge=1)
    gather_gradients: bool = False
    content_l1: float = Field(default=0.0, ge=0)
    seed: int = Field(default=0, ge=0)
    log_every: int = Field(default=50, ge=1)
    save_every: int = Field(default=1000, ge=1)


def load_recipe(name: str, *, preset: str | None = None, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe, apply a preset and then overrides.

    Arguments:
        name: A recipe of the catalogue.
        preset: One of its presets; its first when None.
        overrides: Strings `key=value`; a dotted key reaches into groups (`optimizer.lr=1e-4`), the value is YAML.

    Raises:
        UserError: An unknown recipe, preset or key, or a value of the wrong kind; the key is named.
    """
    card = RECIPES[name]
    presets: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / card.file).read_text(encoding="utf-8"))
    preset = preset or card.presets[0]
    if preset not in presets:
        known = ", ".join(presets)
        raise UserError(f"recipe {name} has no preset {preset!r}{close_match(preset, presets)} (known: {known})")
    values = merge(presets[card.presets[0]], presets[preset])
    values |= {"name": name, "preset": preset, "task": card.task}
    for text in overrides:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise UserError(f"--set {text!r} is not of the form key=value")
        try:
            set_key(values, key.strip(), yaml.safe_load(_exponent_float(value)))
        except yaml.YAMLError:
            raise UserError(f"--set {text!r}: the value is not valid YAML") from None
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise UserError(f"recipe {name}: {_explain(error)}") from None


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `over`; groups are merged, `arch` and everything else is replaced whole."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(old, Mapping) and key != "arch"
        merged[key] = merge(old, value) if both else value  # pyright: ignore[reportArgumentType]
    return merged


def set_key(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key inside nested dictionaries, creating groups on the way."""
    *groups, last = key.split(".")
    for group in groups:
        values[group] = dict(values.get(group) or {})
        values = values[group]
    values[last] = value


def recipe_yaml(recipe: Recipe) -> str:
    """Return the recipe as YAML, in the order of its fields."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)


def _exponent_float(value: str) -> str:
    # YAML 1.1 reads 1e-4 as a string; people mean a number.
    try:
        return repr(float(value)) if "e" in value.lower() else value
    except ValueError:
        return value


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        groups = {"optimizer": Optimizer, "schedule": Schedule, "ema": Ema, "sde": Diffusion}
        model = groups.get(str(first["loc"][0]), Recipe) if len(first["loc"]) > 1 else Recipe
        return f"unknown key {where!r}{close_match(where.split('.')[-1], model.model_fields)}"
    return f"{where}: {first['msg']}, got {first['input']!r}"
