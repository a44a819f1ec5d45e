"""CLIP extractors, compared with transformers: preprocessing, tokens and features."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.extractors.base import MissingWeightsError, UnreadableInputError
from evaluation.extractors.clip import ClipImages, ClipTexts
from evaluation.extractors.pretrained.preprocessing import read_preprocessing
from generators.adapters.diffusers.diffusers_logging import silence_diffusers_logging
from tests.evaluation.extractors.images.encoded_images import encode, make_noise
from tests.evaluation.extractors.tiny_networks import make_processor, stack, write_clip

LONG = "a red cat " * 60
TEXTS = ["A photo depicts a red cat", "", "Ein Käfer, 3 Katzen & ein Kätzchen", "猫", LONG]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_clip(folder / "clip" / "tiny")
    return folder


@pytest.fixture
def copy(weights: Path, tmp_path: Path) -> Path:
    """A copy of the weights that a test can damage."""
    return shutil.copytree(weights, tmp_path / "weights") / "clip" / "tiny"


@pytest.mark.parametrize("shape", [(32, 32), (33, 47), (101, 64), (7, 5), (31, 300), (224, 225)], ids=str)
def test_preprocessing_equals_transformers(shape: tuple[int, int], weights: Path) -> None:
    pixels = make_noise(*shape)
    theirs = make_processor()(Image.fromarray(pixels), return_tensors="np").pixel_values[0]
    np.testing.assert_array_equal(ClipImages("tiny", weights).prepare(encode(pixels)), theirs)


def test_preprocessing_at_the_published_sizes_equals_transformers(tmp_path: Path) -> None:
    processor = make_processor(224)
    processor.save_pretrained(tmp_path)
    for shape in ((225, 337), (1023, 768)):
        pixels = make_noise(*shape)
        theirs = processor(Image.fromarray(pixels), return_tensors="np").pixel_values[0]
        np.testing.assert_array_equal(read_preprocessing(tmp_path).apply(pixels), theirs)


def test_old_and_new_configurations_are_equivalent(tmp_path: Path) -> None:
    old = {"feature_extractor_type": "CLIPFeatureExtractor", "size": 32, "crop_size": 32, "resample": 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(old))
    pixels = make_noise(45, 61)
    theirs = make_processor()(Image.fromarray(pixels), return_tensors="np").pixel_values[0]
    np.testing.assert_array_equal(read_preprocessing(tmp_path).apply(pixels), theirs)


@pytest.mark.parametrize(
    "change",
    [
        {"image_processor_type": "SiglipImageProcessor"},
        {"do_center_crop": False},
        {"size": {"height": 32, "width": 32}},
    ],
    ids=str,
)
def test_unsupported_preprocessing_is_rejected(change: dict[str, object], copy: Path) -> None:
    file = copy / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(MissingWeightsError, match=r"preprocessor_config\.json needs an unsupported preprocessing"):
        ClipImages("tiny", copy.parent.parent).prepare(encode(make_noise(9, 9)))


def test_very_long_images_are_rejected(weights: Path) -> None:
    with pytest.raises(UnreadableInputError, match="too long"):
        read_preprocessing(weights / "clip" / "tiny").apply(np.zeros((1, 100_000_000, 3), dtype=np.uint8))


def test_features_are_the_projections_not_normalized(weights: Path) -> None:
    import torch

    images, texts = ClipImages("tiny", weights), ClipTexts("tiny", weights)
    sources = [encode(make_noise(40, width, width)) for width in (30, 40, 55)]
    with silence_diffusers_logging():
        from transformers import AutoTokenizer, CLIPModel

        network = CLIPModel.from_pretrained(weights / "clip" / "tiny")
        tokenizer = AutoTokenizer.from_pretrained(weights / "clip" / "tiny")
        pixels = torch.from_numpy(np.stack([images.prepare(source) for source in sources]))
        words = tokenizer(TEXTS, padding=True, truncation=True, max_length=77, return_tensors="pt")
        with torch.inference_mode():
            of_images = network.get_image_features(pixels).pooler_output.numpy()
            of_texts = network.get_text_features(**words).pooler_output.numpy()
    np.testing.assert_allclose(stack(images, sources), of_images, atol=1e-5)
    np.testing.assert_allclose(stack(texts, TEXTS), of_texts, atol=1e-5)
    assert np.abs(np.linalg.norm(of_images, axis=1) - 1).min() > 0.01


def test_tokens_equal_transformers(weights: Path) -> None:
    with silence_diffusers_logging():
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(weights / "clip" / "tiny")
    texts = ClipTexts("tiny", weights)
    for text in TEXTS:
        theirs = tokenizer(text, padding="max_length", truncation=True, max_length=77).input_ids
        assert texts.prepare(text).tolist() == theirs


def test_long_texts_keep_the_end_token_and_are_reported(weights: Path) -> None:
    texts = ClipTexts("tiny", weights)
    whole, cut = texts.prepare(TEXTS[0]), texts.prepare(LONG)
    end = whole[-1]
    assert len(cut) == len(whole) == 77
    assert cut[-1] == end
    assert end not in cut[:-1]
    assert [texts.is_truncated(text) for text in TEXTS] == [False] * 4 + [True]
    # Two beyond the limit: start, 75 letters and end fit.
    assert not texts.is_truncated("x " * 75)
    assert texts.is_truncated("x " * 76)


def test_images_and_texts_share_one_network(weights: Path) -> None:
    images, texts = ClipImages("tiny", weights), ClipTexts("tiny", weights)
    assert images.network is texts.network


def test_features_do_not_depend_on_the_batch(weights: Path) -> None:
    for extractor, sources in (
        (ClipTexts("tiny", weights), TEXTS),
        (ClipImages("tiny", weights), [encode(make_noise(n, 40, n)) for n in range(30, 41)]),
    ):
        alone = np.concatenate([stack(extractor, [source]) for source in sources])
        assert np.abs(stack(extractor, list(sources)) - alone).max() < 1e-5 * np.abs(alone).max()


def test_the_identity_depends_on_the_files_and_not_on_the_folder_name(weights: Path, copy: Path) -> None:
    renamed = copy.rename(copy.parent / "other")
    first, second = ClipImages("tiny", weights).identity, ClipImages("other", renamed.parent.parent).identity
    assert first == second
    assert first["crop"] == "center 32"
    assert ClipTexts("tiny", weights).identity["max_tokens"] == 77
    config = renamed / "config.json"
    config.write_text(config.read_text().replace("quick_gelu", "gelu"))
    assert ClipImages("other", renamed.parent.parent).identity != first


def test_missing_files_are_named(copy: Path) -> None:
    weights = copy.parent.parent
    (copy / "tokenizer.json").unlink()
    (copy / "model.safetensors").unlink()
    with pytest.raises(MissingWeightsError, match=r"tiny lacks tokenizer.json, model.* hf download OWNER"):
        ClipTexts("tiny", weights)
    with pytest.raises(
        MissingWeightsError, match=r"hf download openai/clip-vit-base-patch32 --local-dir .*clip/vit-b-32"
    ):
        ClipImages("vit-b-32", weights)
    for name in ("", "../tiny", "a/b", ".hidden"):
        with pytest.raises(ValueError, match="is not a folder of weights"):
            ClipImages(name, weights)


def test_truncated_and_wrong_weights_are_rejected(copy: Path) -> None:
    file, ready = copy / "model.safetensors", np.zeros((3, 32, 32), dtype=np.float32)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MissingWeightsError, match="cannot be loaded as CLIPModel"):
        ClipImages("tiny", copy.parent.parent).extract([ready])
    drop_weight(file, whole, "visual_projection.weight")
    with pytest.raises(MissingWeightsError, match=r"1 weights are missing \(visual_projection.weight"):
        ClipImages("tiny", copy.parent.parent).extract([ready])


def test_all_shards_of_the_weights_are_digested(weights: Path, copy: Path) -> None:
    with silence_diffusers_logging():
        from transformers import CLIPModel

        network = CLIPModel.from_pretrained(copy)
        (copy / "model.safetensors").unlink()
        network.save_pretrained(copy, max_shard_size="60KB")
    source = encode(make_noise(40, 50))
    in_parts, whole = ClipImages("tiny", copy.parent.parent), ClipImages("tiny", weights)
    np.testing.assert_allclose(stack(in_parts, [source]), stack(whole, [source]), atol=1e-6)
    next(copy.glob("model-00002-of-*.safetensors")).unlink()
    with pytest.raises(MissingWeightsError, match="names weight files that are missing"):
        _ = ClipImages("tiny", copy.parent.parent).identity


def drop_weight(file: Path, whole: bytes, name: str) -> None:
    from safetensors.numpy import load, save

    tensors = load(whole)
    del tensors[name]
    file.write_bytes(save(tensors, {"format": "pt"}))


def test_a_wrong_tokenizer_is_rejected(copy: Path) -> None:
    file = copy / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    tokenizer["model"]["vocab"] = {"<|startoftext|>": 0, "<|endoftext|>": 1}
    tokenizer["model"]["merges"] = []
    file.write_text(json.dumps(tokenizer))
    with pytest.raises(MissingWeightsError, match=r"Copy the tokenizer\.json of this network"):
        ClipTexts("tiny", copy.parent.parent).prepare("a cat")
    file.write_text("{")
    with pytest.raises(MissingWeightsError, match=r"tokenizer\.json is damaged"):
        ClipTexts("tiny", copy.parent.parent).prepare("a cat")
