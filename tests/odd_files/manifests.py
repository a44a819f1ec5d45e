"""Odd manifests of images. Files that are odd as CSV or JSON lines are in ``delimited.py``."""

import json
from typing import Final

from tests.odd_files.images import draw, encode_image
from tests.odd_files.odd_file import Content, OddFile

# The images that manifests name.
COMPANIONS: Final[dict[str, Content]] = {
    name: encode_image(draw(color=color), "PNG")
    for name, color in {
        "0.png": "red",
        "1.png": "green",
        "2.png": "blue",
        "cafe\u0301.png": "navy",
        "cr\u00e8me.png": "gold",
    }.items()
} | {
    "text.png": b"no image at all",
    "empty.png": b"",
    "half.png": encode_image(draw(), "PNG")[:-40],
    "page.png": b"<!doctype html><title>404</title>",
    "bitmap.png": encode_image(draw(), "BMP"),
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
    OddFile(
        "array on one line.json",
        json.dumps([{"model": "imagen", "prompt": "A cat", "file": f"{n}.png"} for n in range(3)]),
        rows=({"media_type": "image/png"},) * 3,
    ),
    OddFile(
        "array on one line with a fault.json",
        json.dumps([{"model": "imagen", "prompt": "A cat", "file": file} for file in ("0.png", "9.png")]),
        refused="object 2: there is no file '9.png'",
    ),
    OddFile("missing image.csv", f"{HEADER}\nimagen,A cat,9.png\n", refused="there is no file '9.png'"),
    OddFile("text as image.csv", f"{HEADER}\nimagen,A cat,text.png\n", refused="got text"),
    OddFile("empty image.csv", f"{HEADER}\nimagen,A cat,empty.png\n", refused="got no bytes at all"),
    OddFile("half of an image.csv", f"{HEADER}\nimagen,A cat,half.png\n", refused="cut off"),
    OddFile("page as image.csv", f"{HEADER}\nimagen,A cat,page.png\n", refused="got an HTML page"),
    OddFile("BMP named PNG.csv", f"{HEADER}\nimagen,A cat,bitmap.png\n", refused="got a BMP"),
    OddFile("no file.csv", f"{HEADER}\nimagen,A cat,\n", refused="line 2: it has no file and is not refused"),
    OddFile("seed with a point.csv", f"{HEADER},seed\nimagen,A cat,0.png,1.0\n", refused="seed is '1.0'"),
    OddFile("model of blanks.csv", f"{HEADER}\n ,A cat,0.png\n", refused="line 2: model is empty"),
    OddFile(
        "accent apart in the file.csv", f"{HEADER}\nimagen,A cat,caf\u00e9.png\n", rows=({"media_type": "image/png"},)
    ),
    OddFile(
        "accent apart in the manifest.csv",
        f"{HEADER}\nimagen,A cat,cre\u0300me.png\n",
        rows=({"media_type": "image/png"},),
    ),
    OddFile("file of this folder.csv", f"{HEADER}\nimagen,A cat,./0.png\n", rows=({"media_type": "image/png"},)),
    OddFile("Windows path.csv", f"{HEADER}\nimagen,A cat,images\\0.png\n", refused="there is no file 'images"),
    OddFile("address as file.csv", f"{HEADER}\nimagen,A cat,https://a.example/0.png\n", refused="there is no file"),
    OddFile("file with a space after it.csv", f"{HEADER}\nimagen,A cat,0.png \n", refused="there is no file"),
    OddFile("refused.csv", f"{HEADER},refused\nimagen,A cat,,yes\n", rows=({"status": "refused", "media_type": ""},)),
    OddFile("negative seed.csv", f"{HEADER},seed\nimagen,A cat,0.png,-1\n", refused="line 2: seed is '-1'"),
    OddFile("huge seed.csv", f"{HEADER},seed\nimagen,A cat,0.png,{2**63}\n", refused="line 2: seed is"),
    OddFile(
        "one image twice.csv",
        f"{HEADER},seed\nimagen,A cat,0.png,0\nimagen,A cat,1.png,0\n",
        refused="line 3",
    ),
    OddFile("slug of another script.csv", f"{HEADER}\nКандинский,A cat,0.png\n", rows=({"model": "Кандинский"},)),
    OddFile("name too long.csv", f"{HEADER}\n{'m' * 201},A cat,0.png\n", refused="at most 200 characters, not 201"),
    OddFile(
        "name of symbols.csv", f"{HEADER}\n!!!,A cat,0.png\n", refused="it has no letter and no digit to make a slug of"
    ),
    OddFile("formula as prompt.csv", f'{HEADER}\nimagen,"=1+1",0.png\n', rows=({"prompt": "=1+1"},)),
    OddFile("apostrophe before a formula.csv", f"{HEADER}\nimagen,'=1+1,0.png\n", rows=({"prompt": "'=1+1"},)),
    OddFile(
        "guarded formula.csv", f"{HEADER},guarded_columns\nimagen,'=1+1,0.png,prompt\n", rows=({"prompt": "=1+1"},)
    ),
    OddFile(
        "parameters that are no JSON.csv",
        f"{HEADER},parameters\nimagen,A cat,0.png,--ar 16:9\n",
        refused="wanted a JSON object",
    ),
    OddFile(
        "parameters with half of a surrogate pair.csv",
        f'{HEADER},parameters\nimagen,A cat,0.png,"{{""a"": ""\\ud800""}}"\n',
        refused="half of a surrogate pair",
    ),
)
