"""Packing of folders, as image archives are made."""

import tarfile
import zipfile
from pathlib import Path


def pack(folder: Path, suffix: str) -> Path:
    """Pack the files of a folder into an archive beside it; .tar files in another order than that of names."""
    archive = folder.with_name(f"{folder.name}{suffix}")
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    if suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for file in files:
                packed.write(file, file.relative_to(folder))
    else:
        with tarfile.open(archive, f"w:{suffix.partition('.tar')[2].removeprefix('.')}") as packed_tar:
            for file in reversed(files):
                packed_tar.add(file, f"./{file.relative_to(folder)}")
    return archive
