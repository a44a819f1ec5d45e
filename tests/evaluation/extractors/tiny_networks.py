"""Tiny random networks in the Hugging Face layout, and the real Inception network, loaded once."""

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.extractors.base import MissingWeightsError
from evaluation.extractors.inception.extractor import InceptionV3
from generators.adapters.diffusers.diffusers_logging import silence_diffusers_logging

SIDE = 32
WORDS = ["photo", "depicts", "red", "cat"]


def write_clip(folder: Path) -> Path:
    """A CLIP network of 16 features with a tokenizer of bytes and a few words."""
    import torch

    with silence_diffusers_logging():
        from transformers import CLIPConfig, CLIPModel

        tokenizer = make_tokenizer()
        layers = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4}
        text = layers | {
            "vocab_size": len(tokenizer),
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        }
        vision = layers | {"image_size": SIDE, "patch_size": 8}
        torch.manual_seed(0)
        CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        make_processor().save_pretrained(folder)
    return folder


def write_dinov2(folder: Path) -> Path:
    import torch

    with silence_diffusers_logging():
        from transformers import Dinov2Config, Dinov2Model
        from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

        config = Dinov2Config(hidden_size=24, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=14)
        torch.manual_seed(0)
        Dinov2Model(config).save_pretrained(folder)
        size, crop = {"shortest_edge": SIDE}, {"height": 28, "width": 28}
        BitImageProcessorPil(size=size, crop_size=crop).save_pretrained(folder)
    return folder


def make_tokenizer() -> Any:
    with silence_diffusers_logging():
        from tokenizers import pre_tokenizers
        from transformers import CLIPTokenizer

        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        parts = [*letters, *(f"{letter}</w>" for letter in letters)]
        merges = []
        for word in WORDS:
            left = word[0]
            for k, letter in enumerate(word[1:], start=2):
                right = letter if k < len(word) else f"{letter}</w>"
                merges.append((left, right))
                left += right
                parts.append(left)
        names = [*dict.fromkeys(parts), "<|startoftext|>", "<|endoftext|>"]
        return CLIPTokenizer(vocab={name: k for k, name in enumerate(names)}, merges=list(dict.fromkeys(merges)))


def make_processor(side: int = SIDE) -> Any:
    with silence_diffusers_logging():
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        return CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})


@cache
def find_inception(variant: str = "clean") -> InceptionV3:
    """Skips the test if the weights are not installed."""
    try:
        return InceptionV3(variant, Path("no-such-folder"))
    except MissingWeightsError as fault:
        pytest.skip(str(fault))


@cache
def load_archive() -> Any:
    """The original TorchScript module that contains the weights."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(str(find_inception().file))


def stack(extractor: Any, sources: list[Any]) -> NDArray[np.float32]:
    return np.stack(extractor.extract([extractor.prepare(source) for source in sources]))
