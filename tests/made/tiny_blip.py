"""Small captioning models of the real classes, with random weights and a real tokenizer of few words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertTokenizer,
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    BlipTextConfig,
    BlipVisionConfig,
    CLIPImageProcessor,
    GitConfig,
    GitForCausalLM,
    GitProcessor,
    GitVisionConfig,
    GPT2Config,
    GPT2LMHeadModel,
    OPTConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
)

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("a", "cat", "on", "the", "table", "red", "car", "and", "##s", "dog", "tree", "blue", "sky", "of", "two", "man")
SIZE: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
PIXELS = {"height": 32, "width": 32}


def words_tokenizer(folder: Path) -> BertTokenizer:
    """Return BLIP's kind of tokenizer with the few words above."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join((*SPECIAL, *WORDS)), encoding="utf-8")
    return BertTokenizer(str(vocabulary))


def randomise(model: torch.nn.Module) -> None:
    """Draw all weights, in such proportions that captions differ between images and many end before the limit."""
    torch.manual_seed(6)
    for name, parameter in model.named_parameters():
        if any(part in name.lower() for part in ("norm", "ln_")) and name.endswith("weight"):
            torch.nn.init.ones_(parameter)
        else:
            torch.nn.init.normal_(parameter, std=0.5 if "position" in name or "wpe" in name else 0.3)


def save_blip(folder: Path) -> Path:
    """Save a BLIP of two layers each in `folder`."""
    tokenizer = words_tokenizer(folder)
    text = BlipTextConfig(
        vocab_size=len(tokenizer),
        encoder_hidden_size=32,
        bos_token_id=2,
        eos_token_id=3,
        sep_token_id=3,
        pad_token_id=0,
        max_position_embeddings=64,
        **SIZE,
    )
    vision = BlipVisionConfig(image_size=32, patch_size=16, **SIZE)
    model = BlipForConditionalGeneration(BlipConfig(text_config=text.to_dict(), vision_config=vision.to_dict()))
    randomise(model)
    model.save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size=PIXELS), tokenizer).save_pretrained(folder)
    return folder


def save_git(folder: Path) -> Path:
    """Save a GIT of two layers each in `folder`."""
    tokenizer = words_tokenizer(folder)
    config = GitConfig(
        vision_config=GitVisionConfig(image_size=32, patch_size=16, **SIZE).to_dict(),
        vocab_size=len(tokenizer),
        max_position_embeddings=64,
        bos_token_id=2,
        eos_token_id=3,
        pad_token_id=0,
        **SIZE,
    )
    model = GitForCausalLM(config)
    randomise(model)
    model.save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=PIXELS)
    GitProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def save_vit_gpt2(folder: Path) -> Path:
    """Save a vision encoder with a GPT-2 decoder in `folder`, as ViT-GPT2 is published: without a processor."""
    tokenizer = words_tokenizer(folder)
    encoder = ViTModel(ViTConfig(image_size=32, patch_size=16, **SIZE), add_pooling_layer=False)
    decoder = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=64,
            n_embd=32,
            n_layer=2,
            n_head=2,
            add_cross_attention=True,
            bos_token_id=2,
            eos_token_id=3,
            pad_token_id=0,
        )
    )
    model = VisionEncoderDecoderModel(encoder=encoder, decoder=decoder)
    randomise(model)
    for config in (model.config, model.generation_config):
        config.decoder_start_token_id = 2
        config.pad_token_id = 0
        config.eos_token_id = 3
    model.save_pretrained(folder)
    ViTImageProcessor(size=PIXELS).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_blip2(folder: Path) -> Path:
    """Save a BLIP-2 with two layers of each of its three parts in `folder`."""
    tokenizer = words_tokenizer(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    vision = Blip2VisionConfig(image_size=32, patch_size=16, **SIZE)
    former = Blip2QFormerConfig(encoder_hidden_size=32, vocab_size=len(tokenizer), **SIZE)
    language = OPTConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        ffn_dim=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        word_embed_proj_dim=32,
        max_position_embeddings=128,
        bos_token_id=2,
        eos_token_id=3,
        pad_token_id=0,
    )
    config = Blip2Config(
        vision_config=vision.to_dict(),
        qformer_config=former.to_dict(),
        text_config=language.to_dict(),
        num_query_tokens=4,
        image_token_index=len(tokenizer) - 1,
    )
    model = Blip2ForConditionalGeneration(config)
    randomise(model)
    model.save_pretrained(folder)
    BlipImageProcessor(size=PIXELS).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
