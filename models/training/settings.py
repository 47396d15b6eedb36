"""The groups of settings that a recipe is made of."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Part(BaseModel):
    """A frozen group of settings that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Group(Part):
    """What differs for a named group of parameters (`Task.groups`); null takes the optimiser's own value."""

    lr: float | None = Field(default=None, gt=0)
    betas: tuple[float, float] | None = None
    weight_decay: float | None = Field(default=None, ge=0)


class Optimizer(Part):
    """The optimiser and its settings.

    Arguments:
        kind: Which one, as torch implements it.
        lr: Learning rate at the top of the schedule.
        betas: Decay rates of the two moments, for the Adam family.
        eps: Added to denominators; SGD has none.
        weight_decay: Factor of the decay.
        decay: What is decayed: "matrices" spares gains, biases and scalars, "all" spares nothing (torch's own way).
        momentum: For SGD and RMSprop.
        nesterov: For SGD.
        fused: One kernel for all parameters (Adam, AdamW, SGD); null for yes on a GPU. On a CPU it rounds differently
            and is seldom faster.
        groups: Settings of named groups of parameters.
    """

    kind: Literal["adamw", "adam", "nadam", "radam", "sgd", "rmsprop"] = "adamw"
    lr: float = Field(gt=0)
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    decay: Literal["matrices", "all"] = "matrices"
    momentum: float = Field(default=0.0, ge=0, lt=1)
    nesterov: bool = False
    fused: bool | None = None
    groups: dict[str, Group] = Field(default_factory=dict)


class Schedule(Part):
    """Linear warm-up, then one of five courses of the learning rate; steps are counted from the start of the run.

    Arguments:
        kind: "cosine" and "linear" fall from `lr` to `minimum_lr` at the last step; "constant" stays; "multi-step"
            multiplies by `gamma` at each milestone; "cosine-restarts" has a cosine of its own in each period.
        warmup_steps: Steps over which the rate grows from nearly zero.
        hold_steps: For cosine and linear, steps after the warm-up over which it stays before it falls.
        minimum_lr: Where cosine and linear end.
        milestones: For "multi-step", the steps at which the rate changes.
        gamma: For "multi-step", the factor, or one for each milestone.
        periods: For "cosine-restarts", the length of each period in steps; the last one goes on at its minimum.
        restart_weights: For "cosine-restarts", the top of each period as a part of `lr`; all 1 when empty.
        minimum_lrs: For "cosine-restarts", where each period ends; all `minimum_lr` when empty.
    """

    kind: Literal["cosine", "linear", "constant", "multi-step", "cosine-restarts"] = "cosine"
    warmup_steps: int = Field(default=0, ge=0)
    hold_steps: int = Field(default=0, ge=0)
    minimum_lr: float = Field(default=0.0, ge=0)
    milestones: list[int] = Field(default_factory=list)
    gamma: float | list[float] = 0.5
    periods: list[int] = Field(default_factory=list)
    restart_weights: list[float] = Field(default_factory=list)
    minimum_lrs: list[float] = Field(default_factory=list)

    @model_validator(mode="after")
    def _complete(self) -> Schedule:
        if self.kind == "multi-step" and (not self.milestones or self.milestones != sorted(set(self.milestones))):
            raise ValueError("a multi-step schedule needs milestones in growing order")
        if isinstance(self.gamma, list) and len(self.gamma) != len(self.milestones):
            raise ValueError("gamma needs as many values as there are milestones")
        if self.kind == "cosine-restarts" and (not self.periods or min(self.periods) < 1):
            raise ValueError("a schedule with restarts needs periods of at least one step")
        for name in ("restart_weights", "minimum_lrs"):
            if getattr(self, name) and len(getattr(self, name)) != len(self.periods):
                raise ValueError(f"{name} needs as many values as there are periods")
        return self


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


class Adversarial(Part):
    """Who judges the restored images, and how.

    Arguments:
        kind: "wgan-gp" compares mean scores, with a penalty on the critic's slope; "relativistic" compares each score
            with the mean of the other side's, by least squares.
        critics: Layers that halve the size, of each critic that sees whole patches; one critic of fewer layers judges
            smaller neighbourhoods.
        local_critic: Layers of a critic of small crops, judged by plain least squares; null for none.
        local_size: Side of those crops, in pixels.
        local_crops: Crops of each image; the first is as good as the others.
        width: Channels of the critics' first layer.
        normalised: Whether the critics normalise their features.
        critic_steps: The network learns in every so-manieth step only, the critics in all.
        penalty: Weight of the critic's slope, for "wgan-gp".
        unpaired: Whether the other losses compare restored images with the degraded ones. No critic sees which clean
            image belongs to which degraded one, so nothing does then.
    """

    kind: Literal["wgan-gp", "relativistic"]
    critics: list[int] = Field(default=[3], min_length=1)
    local_critic: int | None = Field(default=None, ge=1)
    local_size: int = Field(default=32, ge=8)
    local_crops: int = Field(default=6, ge=1)
    width: int = Field(default=64, ge=1)
    normalised: bool = True
    critic_steps: int = Field(default=1, ge=1)
    penalty: float = Field(default=10.0, ge=0)
    unpaired: bool = False


class Phase(Part):
    """Sizes that hold from a step on, until the next phase."""

    from_step: int = Field(ge=0)
    patch_size: int = Field(ge=8)
    batch_size: int = Field(ge=1)


class Validation(Part):
    """Scores during training, by degradation type; best weights and early stop follow from them.

    Arguments:
        every: Steps between two validations.
        metric: Which of the task's scores decides; null for its first ("psnr" for restoration).
        better: Whether more of it is better, or less.
        patience: Validations without a new best after which the run stops; null for never.
        split: Split that the images are taken from; "train" only together with `held_out`.
        held_out: Share of the training split's clean images that is kept out of training, with all their pairs, and
            validated on; above 0 it takes the place of `split`.
        per_type: Pairs of each type.
        size: Side of the centre crop that is compared; images of another size are cropped or reflected to it.
        batch_size: Pairs at a time.
        nfe: For diffusion networks, network calls an image; null for as many as the process has steps.
        images: Restored images of each type that TensorBoard shows.
    """

    every: int = Field(default=1000, ge=1)
    metric: str | None = None
    better: Literal["more", "less"] = "more"
    patience: int | None = Field(default=None, ge=1)
    split: str = "test"
    held_out: float = Field(default=0.0, ge=0, lt=1)
    per_type: int = Field(default=8, ge=1)
    size: int = Field(default=128, ge=8)
    batch_size: int = Field(default=8, ge=1)
    nfe: int | None = Field(default=None, ge=1)
    images: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _apart_from_training(self) -> Validation:
        if self.split == "train" and not self.held_out:
            raise ValueError("validation on the training split needs held_out above 0, else it tells nothing")
        return self
