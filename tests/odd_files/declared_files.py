"""Odd TOML files: of models (``sync_models``) and of boards (``seed``)."""

from typing import Final

from tests.odd_files.odd_file import OddFile

MODEL: Final = """
[[models]]
slug = "fresco"
name = "Fresco"
adapter = "sketch"
settings = { style = "gouache" }
"""
BOARD: Final = """
[[boards]]
slug = "painters"
title = "Painters"
description = "Who paints best?"
models = ["fresco"]
"""
NUL: Final = "\\u0000"
ROWS: Final = ({"slug": "fresco", "name": "Fresco"},)

MODELS: Final = (
    OddFile("byte order mark.toml", "\ufeff" + MODEL, rows=ROWS),
    OddFile("Windows line ends.toml", MODEL.replace("\n", "\r\n"), rows=ROWS),
    OddFile(
        "NUL in a name.toml", MODEL.replace('"Fresco"', f'"Fr{NUL}"'), refused="line 4: 'name' has a NUL character"
    ),
    OddFile("NUL in a setting.toml", MODEL.replace("gouache", NUL), refused="line 6: 'style' has a NUL character"),
    OddFile("NUL in a key.toml", MODEL + f'"a{NUL}" = 1\n', refused="line 7: 'a\\x00' has a NUL character"),
    OddFile("half of a surrogate pair.toml", MODEL.replace("gouache", "\\ud800"), refused="line 6: this is not TOML"),
    OddFile("NUL byte.toml", MODEL.replace("gouache", "\0"), refused="line 6: this is not TOML"),
    OddFile("Latin-1.toml", MODEL.replace("gouache", "\udce9"), refused="line 6: these bytes are not UTF-8"),
    OddFile("UTF-16.toml", MODEL.encode("utf-16"), refused="line 1: these bytes are not UTF-8"),
    OddFile("folder.toml", {"x.toml": MODEL}, refused="line 1: the file cannot be read"),
)
BOARDS: Final = (
    OddFile("byte order mark.toml", "\ufeff" + MODEL + BOARD, rows=({"slug": "painters", "title": "Painters"},)),
    OddFile("NUL in a text.toml", MODEL + BOARD.replace("best", NUL), refused="11: 'description' has a NUL character"),
    OddFile(
        "NUL in a model.toml", MODEL + BOARD.replace('["fresco', f'["{NUL}'), refused="12: 'models' has a NUL character"
    ),
    OddFile("NUL in a slug.toml", MODEL + BOARD.replace('"painters', f'"{NUL}'), refused="9: 'slug' has a NUL"),
    OddFile(
        "slug of two words.toml",
        MODEL + BOARD.replace('"painters', '"two words'),
        refused="BoardDeclaration is invalid:\n  slug: String should match",
    ),
    OddFile(
        "title of blanks.toml", MODEL + BOARD.replace("Painters", "  "), refused="title: Text should have more than"
    ),
    OddFile("long title.toml", MODEL + BOARD.replace("Painters", "P" * 201), refused="at most 200 characters"),
    OddFile("Latin-1.toml", MODEL + BOARD.replace("best", "\udce9"), refused="11: these bytes are not UTF-8"),
    OddFile("not TOML.toml", "boards:\n  - slug: painters\n", refused="1: this is not TOML"),
)
