"""Odd prompt files of benchmarks. Files that are odd as CSV or JSON lines are in ``delimited.py``."""

from typing import Final

from tests.odd_files.odd_file import OddFile

FILES: Final = (
    OddFile(
        "quotation marks in parti.tsv",
        'Prompt\tCategory\tChallenge\nthe word "PEACE"\tArts\tBasic\n',
        rows=({"prompt": 'the word "PEACE"', "category": "Arts", "tags": ["Basic"]},),
        options=("parti",),
    ),
    OddFile(
        "parti with Windows line ends and a byte order mark.tsv",
        "\ufeffPrompt\tCategory\tChallenge\r\nfog\tArts\tBasic\r\n",
        rows=({"prompt": "fog", "category": "Arts", "tags": ["Basic"]},),
        options=("parti",),
    ),
    OddFile(
        "numeric keys.jsonl",
        '{"item_id": 12, "prompt": "fog"}\n',
        rows=({"key": "12", "prompt": "fog"},),
        options=("dpg-bench",),
    ),
    OddFile(
        "key twice.csv",
        "item_id,prompt\n1,fog\n1,rain\n",
        refused="line 3: its key '1' is that of line 2, with another prompt",
        options=("dpg-bench",),
    ),
    OddFile(
        "a row for each question of DPG-Bench.csv",
        'item_id,text,keywords,proposition_id\r\n0,"a tree, and a ""red"" barn",k,1\r\n'
        '0,"a tree, and a ""red"" barn",k,2\r\np1,"a cat\r\non a mat",k,1\r\n',
        rows=({"key": "0", "prompt": 'a tree, and a "red" barn'}, {"key": "p1", "prompt": "a cat\non a mat"}),
        options=("dpg-bench",),
    ),
    OddFile(
        "texts of DPG-Bench",
        {"0.txt": "a tree\r\n", "10.txt": "\ufefffog", ".DS_Store": b"\0"},
        rows=({"key": "0", "prompt": "a tree"}, {"key": "10", "prompt": "fog"}),
        options=("dpg-bench",),
    ),
    OddFile(
        "texts and a table",
        {"0.txt": "a tree", "dpg.csv": "item_id,text"},
        refused="'dpg.csv': it does not end in .txt; move it elsewhere",
        options=("dpg-bench",),
    ),
    OddFile("one text.txt", "a tree\n", rows=({"key": "one text", "prompt": "a tree"},), options=("dpg-bench",)),
    OddFile(
        "a count without an exclusion.jsonl",
        '{"tag": "counting", "include": [{"class": "clock", "count": "3"}], "exclude": null, "prompt": "three clocks"}',
        rows=({"prompt": "three clocks", "tags": ["counting"]},),
        options=("geneval",),
    ),
    OddFile(
        "long text with Windows line ends.jsonl",
        '\ufeff{"prompt_id": "3", "prompt": "p", "category": "c", "length": "short", "text": ["Hi"]}\r\n',
        rows=({"key": "0003", "targets": ["Hi"]},),
        options=("longtext-bench",),
    ),
    OddFile(
        "prompt of spaces.csv",
        "item_id,prompt\n1,   \n",
        refused="line 2: The prompt has 3 characters and none that can be seen",
        options=("dpg-bench",),
    ),
    OddFile(
        "prompt that turns the page.csv",
        "item_id,prompt\n1,fog \u202ekcor\n",
        refused="U+202E (RIGHT-TO-LEFT OVERRIDE)",
        options=("dpg-bench",),
    ),
)
