"""The folder of odd files: written by ``python -m tests.odd_files.make FOLDER``.

Each kind has a folder, and ``outcomes.json`` has the right outcome of each file. To add a file, add its ``OddFile`` to
the table of its kind.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.odd_files import declared_files, delimited, images, manifests, prompts, reference_images, statistics, votes
from tests.odd_files.odd_file import Content, OddFile, encode

FILES: Final[dict[str, tuple[OddFile, ...]]] = {
    "votes": votes.FILES + delimited.VOTES,
    "manifests": manifests.FILES + delimited.MANIFESTS,
    "prompts": prompts.FILES + delimited.PROMPTS,
    "images": images.FILES,
    "reference_images": reference_images.FILES,
    "statistics": statistics.FILES,
    "models": declared_files.MODELS,
    "boards": declared_files.BOARDS,
}
# Files that others refer to, and that are not imported themselves.
COMPANIONS: Final[dict[str, dict[str, Content]]] = {"manifests": manifests.COMPANIONS}


def make_folder(folder: Path) -> None:
    """Write all odd files and ``outcomes.json`` into an empty folder."""
    for kind, files in FILES.items():
        (folder / kind).mkdir(parents=True)
        for name, content in COMPANIONS.get(kind, {}).items():
            (folder / kind / name).write_bytes(encode(content))
        for odd in files:
            write(folder / kind / odd.name, odd)
    outcomes = [
        {"kind": kind, **{key: value for key, value in asdict(odd).items() if value and key != "content"}}
        for kind, files in FILES.items()
        for odd in files
    ]
    (folder / "outcomes.json").write_text(json.dumps(outcomes, indent=1, ensure_ascii=False), encoding="utf-8")


def write(path: Path, odd: OddFile) -> None:
    if path.exists():
        raise ValueError(f"Two odd files are named {odd.name}.")
    if isinstance(odd.content, str | bytes) or callable(odd.content):
        path.write_bytes(encode(odd.content))
        return
    path.mkdir()
    for name, content in odd.content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(encode(content))


if __name__ == "__main__":
    make_folder(Path(sys.argv[1]))
