"""A tiny Stable Diffusion pipeline with random weights, which draws on any machine in a fraction of a second.

Its images are coloured noise that depends on the prompt and the seed. Tests and trials use it to run a local model from
weights to votes.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from generators.adapters.diffusers.diffusers_logging import silence_diffusers_logging

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

WIDTH = 32  # of the text encoder
LONGEST_PROMPT = 77  # tokens, as CLIP's


@silence_diffusers_logging()
def make_tiny_pipeline(folder: Path, seed: int = 0) -> None:
    """Write the pipeline to ``folder``. The same seed writes the same bytes.

    Raises FileExistsError if the folder is not empty, because it may hold another model.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists already. Name a new or empty folder.")
    import torch
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    tokenizer = _make_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=WIDTH,
                intermediate_size=WIDTH,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=LONGEST_PROMPT,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )
        unet = UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=WIDTH,
            attention_head_dim=4,
            norm_num_groups=4,
        )
        vae = AutoencoderKL(
            sample_size=64,
            block_out_channels=(4, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            norm_num_groups=4,
        )
        # The initial weights would draw only grey.
        vae.decoder.conv_out.weight.data *= 3
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    # Written elsewhere first, because a half-written folder would look like a pipeline.
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
        pipeline.save_pretrained(Path(unfinished) / "complete")
        (Path(unfinished) / "complete").rename(folder)


def _make_tokenizer() -> "CLIPTokenizer":
    """CLIP's byte-level tokenizer without merges: one token per byte."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    symbols = sorted(ByteLevel.alphabet())
    tokens = [*symbols, *(f"{symbol}</w>" for symbol in symbols), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=LONGEST_PROMPT)
