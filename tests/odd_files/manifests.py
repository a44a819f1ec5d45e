"""Odd manifests of images. Files that are odd as CSV or JSON lines are in ``delimited.py``."""

from typing import Final

from tests.odd_files.images import draw, encode_image
from tests.odd_files.odd_file import Content, OddFile

# The images that manifests name.
COMPANIONS: Final[dict[str, Content]] = {
    f"{n}.png": encode_image(draw(color=color), "PNG") for n, color in enumerate(("red", "green", "blue"))
}
HEADER: Final = "model,prompt,file"

FILES: Final = (
    OddFile(
        "file named backwards.csv",
        f"{HEADER}\nimagen,A cat,0\u202egnp.png\n",
        refused="there is no file '0\\u202egnp.png'",
    ),
    OddFile("file outside.csv", f"{HEADER}\nimagen,A cat,../votes/x.png\n", refused="is not in the manifest's folder"),
    OddFile(
        "names that are no slugs.csv",
        f"{HEADER},version\nMidjourney,A cat,0.png,6.1\nMidjourney,A cat,1.png,6.1\n混元,A cat,2.png,\n",
        rows=(
            {"model": "Midjourney 6.1", "slug": "midjourney-6-1", "version": "6.1"},
            {"model": "Midjourney 6.1", "slug": "midjourney-6-1", "version": "6.1"},
            {"model": "混元", "slug": "model-3a7294dc", "version": "1"},
        ),
    ),
    OddFile(
        "two names of one slug.csv",
        f"{HEADER}\nGPT Image,A cat,0.png\ngpt-image,A cat,1.png\n",
        refused="line 3: 'gpt-image' and 'GPT Image' are both the model gpt-image",
    ),
    OddFile("no file.csv", f"{HEADER}\nimagen,A cat,\n", refused="line 2: it has no file and is not refused"),
    OddFile("seed with a point.csv", f"{HEADER},seed\nimagen,A cat,0.png,1.0\n", refused="seed is '1.0'"),
    OddFile("model of blanks.csv", f"{HEADER}\n ,A cat,0.png\n", refused="line 2: model is empty"),
)
