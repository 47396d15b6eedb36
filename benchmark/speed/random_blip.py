"""BLIPs of the real classes with random weights, for measurements where no weights can be had."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class BlipSize:
    """Width, layers, heads and tokens of both halves.

    Arguments:
        image: Side of the input in pixels; patches have 16.
        vision: Width, layers and heads of the vision tower.
        text: Width, layers and heads of the text decoder.
        vocabulary: Number of tokens.
    """

    image: int
    vision: tuple[int, int, int]
    text: tuple[int, int, int]
    vocabulary: int


SIZES = {
    "small": BlipSize(image=128, vision=(192, 6, 3), text=(192, 6, 3), vocabulary=4000),
    "base": BlipSize(image=384, vision=(768, 12, 12), text=(768, 12, 12), vocabulary=30524),
    "large": BlipSize(image=384, vision=(1024, 24, 16), text=(768, 12, 12), vocabulary=30524),
}
"""`base` and `large` are the shapes of Salesforce/blip-image-captioning-base and -large."""


def save_random_blip(folder: Path, size: BlipSize) -> int:
    """Save a BLIP as `save_pretrained` does, with its processor and a tokenizer of made-up words.

    Weights are drawn wide enough that captions differ between images.

    Returns:
        The number of parameters.
    """
    import torch
    from transformers import (
        BertTokenizer,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
        BlipTextConfig,
        BlipVisionConfig,
    )

    folder.mkdir(parents=True, exist_ok=True)
    words = [*SPECIAL, *(f"word{number}" for number in range(size.vocabulary - len(SPECIAL)))]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    tokenizer = BertTokenizer(str(folder / "vocab.txt"))
    (v_width, v_layers, v_heads), (t_width, t_layers, t_heads) = size.vision, size.text
    vision = BlipVisionConfig(
        image_size=size.image,
        patch_size=16,
        hidden_size=v_width,
        intermediate_size=4 * v_width,
        num_hidden_layers=v_layers,
        num_attention_heads=v_heads,
    )
    text = BlipTextConfig(
        vocab_size=size.vocabulary,
        encoder_hidden_size=v_width,
        hidden_size=t_width,
        intermediate_size=4 * t_width,
        num_hidden_layers=t_layers,
        num_attention_heads=t_heads,
        bos_token_id=2,
        eos_token_id=3,
        sep_token_id=3,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    model = BlipForConditionalGeneration(BlipConfig(vision_config=vision.to_dict(), text_config=text.to_dict()))
    for name, parameter in model.named_parameters():
        if "norm" not in name.lower() and parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.06)
    model.save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size={"height": size.image, "width": size.image}), tokenizer).save_pretrained(
        folder
    )
    return sum(parameter.numel() for parameter in model.parameters())
