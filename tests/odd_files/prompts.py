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
        refused="line 3: its key '1' is that of line 2",
        options=("dpg-bench",),
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
