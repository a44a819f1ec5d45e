"""Odd vote files. Files that are odd as CSV or JSON lines are in ``delimited.py``."""

import json
from typing import Final

from tests.odd_files.odd_file import OddFile

HEADER: Final = "model_a,model_b,winner"

FILES: Final = (
    OddFile("upper-case suffix.CSV", f"{HEADER}\nSDXL,LCM,tie\n", rows=({"winner": "tie"},)),
    OddFile(
        "columns in another order, one unused.csv",
        "winner,note,model_b,model_a\nmodel_b,x,LCM,SDXL\n",
        rows=({"model_a": "SDXL", "model_b": "LCM", "winner": "model_b"},),
        says="Unused columns: note",
    ),
    OddFile(
        "times of two zones.csv",
        f"{HEADER},time\nSDXL,LCM,tie,2023-11-14T22:13:20Z\nSDXL,LCM,tie,2023-11-15T00:13:21+02:00\n",
        rows=({"time": "2023-11-14T22:13:20+00:00"}, {"time": "2023-11-14T22:13:21+00:00"}),
    ),
    OddFile("no winner.csv", f"{HEADER}\nSDXL,LCM,\n", refused="line 2: winner is empty"),
    OddFile("winner of another arena.csv", f"{HEADER}\nSDXL,LCM,first\n", refused="line 2: winner is 'first'"),
    OddFile("winner NaN.csv", f"{HEADER}\nSDXL,LCM,nan\n", refused="line 2: winner is 'nan'"),
    OddFile("one model against itself.csv", f"{HEADER}\nSDXL,SDXL,tie\n", refused="are both 'SDXL'"),
    OddFile(
        "day number of a spreadsheet as time.csv", f"{HEADER},time\nSDXL,LCM,tie,45244.92\n", refused="not in 1970"
    ),
    OddFile(
        "the same vote twice.csv",
        f"{HEADER},time\nSDXL,LCM,tie,1700000000\nSDXL,LCM,tie,1700000000.0\n",
        refused="line 3: the same vote as line 2: equal in every column",
    ),
    OddFile(
        "huge prompt.jsonl",
        json.dumps({"model_a": "SDXL", "model_b": "LCM", "winner": "tie", "prompt": "A" * 140_000}),
        refused="line 1: prompt has 140,000 characters; at most 131,072 are allowed",
    ),
    OddFile("text named parquet.parquet", f"{HEADER}\nSDXL,LCM,tie\n", refused="cannot be read as Parquet"),
    OddFile("spreadsheet.xlsx", b"PK\3\4", refused="ends in '.xlsx'; wanted .csv or .jsonl"),
)
