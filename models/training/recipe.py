"""Recipes: a preset from a YAML file plus overrides, typed, complete, and refused when a key is unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from models.errors import UserError, close_match
from models.recipes import RECIPES
from models.training.settings import Adversarial, Diffusion, Ema, Optimizer, Part, Phase, Schedule, Validation

FOLDER = Path(__file__).parents[1] / "recipes"
UNIFIED = "unified"
"""The preset whose values most recipes share, in a file of its own."""
WHOLE = ("arch", "losses", "sampling", "schedule")
"""Groups that a preset replaces whole: half of another network's arguments is no network, half a schedule is none."""
OPERATIONAL = ("log_every", "save_every", "keep", "spike")
"""Settings that the weights do not depend on; a run may go on with others."""


class Recipe(Part):
    """Everything that determines a training run, data excepted.

    Arguments:
        name: The recipe.
        preset: The preset that it started from.
        task: What is fitted.
        arch: Constructor arguments of the network, or of the CLIP that DA-CLIP controls.
        steps: Optimiser steps.
        batch_size: Pairs a step, over all processes and accumulated parts.
        patch_size: Side of the square training crop in pixels (for DA-CLIP, of the resized image).
        progressive: Later phases with other sizes, in the order of their first steps; the two settings above hold until
            the first of them begins.
        sampling: How types take turns: "uniform" (in turns), "proportional" (to their number of pairs), or a weight for
            each type.
        flips: Whether DA-CLIP's images are mirrored at random; the paper's are not. Restoration patches are always
            flipped and transposed, as the paper's.
        losses: For restoration, the terms of the loss and their weights.
        supervise: Whether the losses look at the final result of a network, or at all that it offers ("all": stages,
            scales), whose losses are added up.
        perceptual_weights: Where the weights of perceptual losses lie: torchvision's file, or a folder that holds it;
            null for the usual folders.
        stage_steps: Steps at which the later stages begin, for networks that are trained part by part.
        told_ratio: For URetinex-Net, whether training tells it how much lighter the clean image is, as its paper does;
            false for the one ratio that it is used with.
        adversarial: Who judges the restored images; null for nobody.
        loss: For the other tasks, the name of their loss.
        optimizer: The optimiser's settings.
        schedule: Of the learning rate.
        ema: Moving average, or null for none.
        clip_norm: Largest norm of the gradient of all parameters; null for no limit.
        clip_value: Largest absolute value of any gradient; null for no limit.
        accumulate: Parts that each process cuts its share of a batch into, one after the other in memory.
        precision: "fp32", or "bf16" and "fp16" for matrix products and convolutions (weights stay in float32).
        channels_last: Whether weights and images lie in memory with the channels last.
        compile: Whether torch.compile makes the network's kernels.
        sde: The process, for diffusion networks; null for the others.
        chunk_size: For DA-CLIP, images whose activations are in memory at a time; null for the whole batch.
        gather_gradients: For DA-CLIP on several processes, whether gradients flow through the gathered features; the
            published training's do not.
        content_l1: For DA-CLIP, weight of the distance between the content embeddings of degraded and clean image.
        validation: Scores during training; null for none.
        spike: The run stops at a loss this many median deviations above the median of the last steps; null for no
            limit. A loss that is no number stops it always.
        seed: Of initialisation, order and augmentation.
        log_every: Steps between two log lines.
        save_every: Steps between two checkpoints.
        keep: Checkpoints that are kept.
    """

    name: str
    preset: str
    task: str
    arch: dict[str, Any] = Field(default_factory=dict)
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    patch_size: int = Field(ge=8)
    progressive: list[Phase] = Field(default_factory=list)
    sampling: Literal["uniform", "proportional"] | dict[str, float] = "uniform"
    flips: bool = False
    losses: dict[str, float] = Field(default_factory=dict)
    supervise: Literal["final", "all"] = "final"
    perceptual_weights: str | None = None
    stage_steps: list[int] = Field(default_factory=list)
    told_ratio: bool = True
    adversarial: Adversarial | None = None
    loss: str | None = None
    optimizer: Optimizer
    schedule: Schedule = Schedule()
    ema: Ema | None = None
    clip_norm: float | None = Field(default=None, gt=0)
    clip_value: float | None = Field(default=None, gt=0)
    accumulate: int = Field(default=1, ge=1)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = False
    compile: bool = False
    sde: Diffusion | None = None
    chunk_size: int | None = Field(default=None, ge=1)
    gather_gradients: bool = False
    content_l1: float = Field(default=0.0, ge=0)
    validation: Validation | None = None
    spike: float | None = Field(default=100.0, gt=0)
    seed: int = Field(default=0, ge=0)
    log_every: int = Field(default=50, ge=1)
    save_every: int = Field(default=1000, ge=1)
    keep: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        starts = [phase.from_step for phase in self.progressive]
        if starts != sorted(set(starts)) or 0 in starts:
            raise ValueError("phases begin after step 0, each later than the one before")
        if self.stage_steps != sorted(set(self.stage_steps)) or min(self.stage_steps, default=1) < 1:
            raise ValueError("stages begin after step 0, each later than the one before")
        if isinstance(self.sampling, dict) and (
            not any(self.sampling.values()) or any(weight < 0 for weight in self.sampling.values())
        ):
            raise ValueError("weights of types are not negative, and one is above zero")
        if self.clip_norm is not None and self.clip_value is not None:
            raise ValueError("clip_norm and clip_value exclude each other")
        return self

    def phases(self) -> list[Phase]:
        """Return all phases, the one that begins at step 0 first."""
        return [Phase(from_step=0, patch_size=self.patch_size, batch_size=self.batch_size), *self.progressive]

    def phase(self, step: int) -> Phase:
        """Return the phase that step `step` (counted from 0) belongs to."""
        return next(phase for phase in reversed(self.phases()) if phase.from_step <= step)

    def identity(self) -> dict[str, Any]:
        """Return what makes this run another than one with other weights."""
        return {key: value for key, value in self.model_dump(mode="json").items() if key not in OPERATIONAL}


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
    values = presets[card.presets[0]]
    if preset == UNIFIED:
        values = merge(values, yaml.safe_load((FOLDER / f"{UNIFIED}.yaml").read_text(encoding="utf-8")))
    values = merge(values, presets[preset])
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
    """Return `base` with the values of `over`; groups are merged, those of `WHOLE` and all else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(old, Mapping) and key not in WHOLE
        merged[key] = merge(old, value) if both else value  # pyright: ignore[reportArgumentType]
    return merged


def set_key(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key inside nested dictionaries, creating groups on the way."""
    *groups, last = key.split(".")
    for group in groups:
        old = values.get(group)
        values[group] = dict(old) if isinstance(old, Mapping) else {}
        values = values[group]
    values[last] = value


def recipe_yaml(recipe: Recipe, *, defaults: bool = True) -> str:
    """Return the recipe as YAML, in the order of its fields; without `defaults`, only what differs from them."""
    values = recipe.model_dump(mode="json", exclude_defaults=not defaults)
    return yaml.safe_dump(values, sort_keys=False, default_flow_style=False if defaults else None)


def _exponent_float(value: str) -> str:
    # YAML 1.1 reads 1e-4 as a string; people mean a number.
    try:
        return repr(float(value)) if "e" in value.lower() else value
    except ValueError:
        return value


PARTS: dict[str, type[BaseModel]] = {
    "optimizer": Optimizer,
    "schedule": Schedule,
    "ema": Ema,
    "sde": Diffusion,
    "adversarial": Adversarial,
    "progressive": Phase,
    "validation": Validation,
}
"""The group of settings behind each key that has one, to name the close match of a mistyped key."""


def _explain(error: ValidationError) -> str:
    # A mistyped key explains the key that is missing, not the other way round.
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        model: type[BaseModel] = PARTS.get(str(first["loc"][0]), Recipe) if len(first["loc"]) > 1 else Recipe
        if first["loc"][:2] == ("optimizer", "groups"):
            from models.training.settings import Group

            model = Group
        return f"unknown key {where!r}{close_match(where.split('.')[-1], model.model_fields)}"
    if first["type"] == "value_error":
        return f"{where + ': ' if where else ''}{first.get('ctx', {}).get('error')}"
    return f"{where}: {first['msg']}, got {first['input']!r}"
