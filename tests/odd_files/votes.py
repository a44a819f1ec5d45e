"""Odd vote files. Files that are odd as CSV or JSON lines are in ``delimited.py``."""

import json
from itertools import combinations
from typing import Final

from tests.odd_files.odd_file import OddFile

HEADER: Final = "model_a,model_b,winner"

ONE_HOT: Final = "model_a,model_b,winner_model_a,winner_model_b,winner_tie\n"
SIDES: Final = ("--column", "model_a=left", "--column", "model_b=right")

# Each pair of four models meets five times; then the two that won most meet each other.
ROUND_ROBIN: Final = tuple(f"{a},{b},model_{'ab'[k % 3 == 0]}\n" for k in range(5) for a, b in combinations("HGFE", 2))
LEADERS: Final = tuple(f"H,G,model_{'ab'[k % 2]}\n" for k in range(90))

FILES: Final = (
    OddFile(
        "leader against challenger.csv",
        "".join([f"{HEADER}\n", *ROUND_ROBIN, *LEADERS]),
        rows=({},) * 120,
        says="the pairs look as if they were chosen by looking at the ratings (leader against challenger)",
    ),
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
    OddFile(
        "times as databases write them.csv",
        f"{HEADER},time\nSDXL,LCM,tie,2023-11-14 22:13:20 UTC\nSDXL,LCM,tie,1700000001000\n",
        rows=({"time": "2023-11-14T22:13:20+00:00"}, {"time": "2023-11-14T22:13:21+00:00"}),
    ),
    OddFile(
        "US date.csv",
        f"{HEADER},time\nSDXL,LCM,tie,11/12/2023 10:13\n",
        refused="it looks like a date with slashes, whose day and month cannot be told apart",
    ),
    OddFile(
        "winner words of public arenas.csv",
        f"{HEADER}\nSDXL,LCM,tie (bothbad)\nSDXL,LCM,Model_A\nSDXL,LCM,rightvote\nSDXL,LCM,LCM\n",
        rows=({"winner": "both_bad"}, {"winner": "model_a"}, {"winner": "model_b"}, {"winner": "model_b"}),
    ),
    OddFile(
        "winner words of this file alone.csv",
        f"{HEADER}\nSDXL,LCM,1\nSDXL,LCM,0.5\n",
        rows=({"winner": "model_a"}, {"winner": "tie"}),
        options=("--winner", "1=model_a", "--winner", "0.5=tie"),
    ),
    OddFile(
        "one column a winner.csv",
        "model_a,model_b,winner_model_a,winner_model_b,winner_tie\nSDXL,LCM,0,1,0\nSDXL,LCM,0,0,1\n",
        rows=({"winner": "model_b"}, {"winner": "tie"}),
    ),
    OddFile(
        "two winners.csv",
        "model_a,model_b,winner_model_a,winner_model_b\nSDXL,LCM,1,1\n",
        refused="line 2: winner_model_a and winner_model_b are 1",
    ),
    OddFile(
        "semicolons, and a comma in a column's name.csv",
        f"{HEADER.replace(',', ';')};note, if any\nSDXL;LCM;tie;x\n",
        refused="The columns are separated by semicolons",
    ),
    OddFile(
        "semicolons in a column's name.csv",
        f'"note; of; ours; all",{HEADER}\nx,SDXL,LCM,tie\n',
        rows=({"winner": "tie"},),
    ),
    OddFile("no objects.json", "[]\n", refused="The file has no votes."),
    OddFile("model named tie.csv", f"{HEADER}\nSDXL,tie,tie\n", refused="also the name of a model of this line"),
    OddFile(
        "array.json",
        json.dumps([{"model_a": "混元", "model_b": "FLUX.1", "winner": "tie"}], indent=1),
        rows=({"model_a": "混元", "slug_a": "model-3a7294dc", "slug_b": "flux-1"},),
    ),
    OddFile(
        "array on one line.json",
        json.dumps(
            [{"model_a": "SDXL", "model_b": "LCM", "winner": winner} for winner in ("tie", "model_a", "model_a")]
        ),
        rows=({"winner": "tie"}, {"winner": "model_a"}, {"winner": "model_a"}),
    ),
    OddFile(
        "array on one line with a fault.json",
        json.dumps([{"model_a": "SDXL", "model_b": "LCM", "winner": winner} for winner in ("tie", "fog")]),
        refused="object 2: winner is 'fog'",
    ),
    OddFile("object.json", '{"model_a":\n {"0": "SDXL"}}', refused="The file is one JSON object; wanted an array"),
    OddFile(
        "names that differ in a dot.csv",
        f"{HEADER}\nflux-1.1,flux-11,tie\n",
        rows=({"slug_a": "flux-1-1", "slug_b": "flux-11"},),
    ),
    OddFile(
        "names that differ in case.csv",
        f"{HEADER}\nGPT Image,LCM,tie\ngpt-image,LCM,tie\n",
        refused="'gpt-image' and 'GPT Image' (line 2) would both be the model gpt-image",
    ),
    OddFile("name with a space after it.csv", f"{HEADER}\nSDXL ,LCM,tie\n", refused="starts or ends with a space"),
    OddFile(
        "separator for Excel.csv",
        f"sep=,\n{HEADER}\nSDXL,LCM,tie\n",
        rows=({"winner": "tie"},),
    ),
    OddFile("no winner.csv", f"{HEADER}\nSDXL,LCM,\n", refused="line 2: winner is empty"),
    OddFile("winner of another arena.csv", f"{HEADER}\nSDXL,LCM,first\n", refused="line 2: winner is 'first'"),
    OddFile("winner NaN.csv", f"{HEADER}\nSDXL,LCM,nan\n", refused="line 2: winner is 'nan'"),
    OddFile("one model against itself.csv", f"{HEADER}\nSDXL,SDXL,tie\n", refused="are both 'SDXL'"),
    OddFile(
        "day number of a spreadsheet as time.csv",
        f"{HEADER},time\nSDXL,LCM,tie,45244.92\n",
        refused="it looks like the day number of a spreadsheet",
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
    OddFile("spreadsheet.xlsx", b"PK\3\4", refused="Save it as CSV UTF-8 with the"),
    OddFile(
        "formulas of an export.csv",
        f"{HEADER},rater,prompt,guarded_columns\nSDXL,LCM,tie,'+1,'-40 °C,rater\n",
        rows=({"rater": "+1", "prompt": "'-40 °C"},),
    ),
    OddFile("formula as name.csv", f"{HEADER}\n=SDXL,LCM,tie\n", rows=({"model_a": "=SDXL"},)),
    OddFile("no winner in one column a winner.csv", ONE_HOT + "SDXL,LCM,0,0,0\n", refused="line 2: none is 1"),
    OddFile("half a winner.csv", ONE_HOT + "SDXL,LCM,0.5,0.5,0\n", refused="is '0.5'; wanted 0 or 1"),
    OddFile("left and right.csv", "left,right,winner\nSDXL,LCM,right\n", rows=({"winner": "model_b"},), options=SIDES),
    OddFile(
        "left and right without being told.csv", "left,right,winner\nSDXL,LCM,right\n", refused="no column model_a"
    ),
    OddFile("winner of no side.csv", f"{HEADER}\nSDXL,LCM,Flux\n", refused="line 2: winner is 'Flux'"),
    OddFile("winner null.jsonl", '{"model_a": "SDXL", "model_b": "LCM", "winner": null}\n', refused="line 1: winner"),
    OddFile("winner true.jsonl", '{"model_a": "SDXL", "model_b": "LCM", "winner": true}\n', refused="line 1: winner"),
    OddFile(
        "winner as number.jsonl", '{"model_a": "SDXL", "model_b": "LCM", "winner": 0.5}\n', refused="line 1: winner"
    ),
    OddFile(
        "array within lines.jsonl",
        '[{"model_a": "SDXL", "model_b": "LCM", "winner": "tie"}]\n',
        rows=({"winner": "tie"},),
    ),
    OddFile("array cut off.json", '[{"model_a": "SDXL", "model_b": "LCM", "winner": "tie"}', refused="JSON"),
    OddFile("array of nothing.json", "[]", refused="no votes"),
    OddFile(
        "array with NUL.json",
        '[{"model_a": "SD\\u0000", "model_b": "LCM", "winner": "tie"}]',
        refused="it has a NUL character, which cannot be stored",
    ),
    OddFile("array of arrays.json", '[["SDXL", "LCM", "tie"]]', refused="line 1 has no object"),
    OddFile("time before 2000.csv", f"{HEADER},time\nSDXL,LCM,tie,1970-01-01T00:00:00Z\n", refused="1970"),
    OddFile("time NaN.csv", f"{HEADER},time\nSDXL,LCM,tie,NaN\n", refused="line 2: time is 'NaN'"),
    OddFile(
        "day without a time.csv", f"{HEADER},time\nSDXL,LCM,tie,yesterday\n", refused="line 2: time is 'yesterday'"
    ),
    OddFile(
        "right-to-left override in a name.csv",
        f"{HEADER}\nSD\u202eXL,LCM,tie\n",
        refused="U+202E (RIGHT-TO-LEFT OVERRIDE)",
    ),
    OddFile(
        "language too long.csv", f"{HEADER},language\nSDXL,LCM,tie,{'x' * 36}\n", refused="language has 36 characters"
    ),
    OddFile("names of other scripts.csv", f"{HEADER}\n可图,混元,tie\n", rows=({"model_a": "可图", "model_b": "混元"},)),
    OddFile(
        "name of symbols.csv", f"{HEADER}\n!!!,LCM,tie\n", refused="it has no letter and no digit to make a slug of"
    ),
    OddFile("full-width name.csv", f"{HEADER}\nＳＤＸＬ,SDXL,tie\n", refused="SDXL"),
)
