"""Odd prompt files of benchmarks. Files that are odd as CSV or JSON lines are in ``delimited.py``."""

from typing import Final

from tests.odd_files.odd_file import OddFile

LONG_TEXT: Final = (
    '{"prompt_id": 7, "category": "sign", "length": "short", "text": ["OPEN"], "prompt": "A sign: OPEN"}\n'
    '{"prompt_id": 8, "category": "sign", "length": "short", "text": ["开"], "prompt": "招牌 开"}\n'
)

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
    OddFile(
        "NUL in parti.tsv",
        "Prompt\tCategory\tChallenge\nf\0g\tArts\t\n",
        refused="line 2: it has a NUL",
        options=("parti",),
    ),
    OddFile(
        "Latin-1 in parti.tsv",
        "Prompt\tCategory\tChallenge\nfog\tArts\t\ncaf\udce9\tArts\t\n",
        refused="line 3: it is not UTF-8",
        options=("parti",),
    ),
    OddFile("UTF-16.tsv", "Prompt\tCategory\tChallenge\n".encode("utf-16"), refused="UTF-16", options=("parti",)),
    OddFile(
        "commas instead of tabs.tsv",
        "Prompt,Category,Challenge\nfog,Arts,Basic\n",
        refused="separated by commas; wanted tabs",
        options=("parti",),
    ),
    OddFile(
        "tab within a prompt.tsv",
        "Prompt\tCategory\tChallenge\nfog\there\tArts\t\n",
        refused="line 2: it has 4 cells",
        options=("parti",),
    ),
    OddFile(
        "long texts with Windows line ends.jsonl",
        LONG_TEXT.replace("\n", "\r\n"),
        rows=(
            {"key": "0007", "language": "en", "targets": ["OPEN"]},
            {"key": "0008", "language": "zh", "targets": ["开"]},
        ),
        options=("longtext-bench",),
    ),
    OddFile(
        "long texts with NUL in a target.jsonl",
        LONG_TEXT.replace("OPEN", "\\u0000"),
        refused="line 1: it has a NUL character",
        options=("longtext-bench",),
    ),
    OddFile(
        "long texts with one target.jsonl",
        LONG_TEXT.replace('["OPEN"]', '"OPEN"'),
        rows=({"targets": ["OPEN"]}, {"targets": ["开"]}),
        options=("longtext-bench",),
    ),
    OddFile(
        "long texts with a target that is no text.jsonl",
        LONG_TEXT.replace('["OPEN"]', '[{"a": 1}]'),
        refused='line 1: text.0 is \'{"a": "1"}\'; wanted',
        options=("longtext-bench",),
    ),
    OddFile("another benchmark.jsonl", LONG_TEXT, refused="no column item_id", options=("dpg-bench",)),
    OddFile("folder.csv", {"x.csv": "item_id,prompt\n"}, refused="folder.csv is a folder", options=("parti",)),
    OddFile(
        "control character.csv",
        "item_id,prompt\n1,f\x07og\n",
        refused="line 2: The prompt has U+0007",
        options=("dpg-bench",),
    ),
    OddFile(
        "emoji of several parts.csv",
        "item_id,prompt\n1,\U0001f469\u200d\U0001f680 in fog\n",
        rows=({"prompt": "\U0001f469\u200d\U0001f680 in fog"},),
        options=("dpg-bench",),
    ),
    OddFile(
        "formula.csv",
        "item_id,prompt\n1,'=1+1' on a sign\n",
        rows=({"prompt": "'=1+1' on a sign"},),
        options=("dpg-bench",),
    ),
    OddFile("key of blanks.csv", "item_id,prompt\n ,fog\n", refused="line 2: item_id is empty", options=("dpg-bench",)),
    OddFile(
        "key with a line break.csv",
        'item_id,prompt\n"1\n2",fog\n',
        refused="key is '1\\n2'; wanted one line",
        options=("dpg-bench",),
    ),
    OddFile(
        "key too long.csv",
        f"item_id,prompt\n{'k' * 201},fog\n",
        refused="line 2: key has 201 characters",
        options=("dpg-bench",),
    ),
)
