"""Suite file and prompt file for tests to change."""

from pathlib import Path

SUITE = """\
name = "signs"
version = "1"
title = "Signs"
prompt_files = ["prompts.toml"]
tags = ["street"]
samples_per_prompt = 5
first_seed = 3
width = 256
height = 128
budget = 2.5

[[metrics]]
metric = "text-ned"

[[metrics]]
metric = "latency"
label = "latency-p95"
percentile = 95

[[gate]]
metric = "text-ned"
at_least = 0.5
max_loss = 0.1

[[gate]]
metric = "latency-p95"
at_most = 30
"""
PROMPT = """
[[prompts]]
key = "{key}"
text = 'A sign that says "STOP {key}"'
category = "signs"
language = "en"
targets = ["STOP {key}"]
tags = ["{tag}"]
"""
PACK = 'slug = "signs"\nversion = "2"\ntitle = "Signs"\n' + "".join(
    PROMPT.format(key=f"p{n}", tag="indoors" if n == 4 else "street") for n in range(5)
)


def write_suite(folder: Path, *changes: tuple[str, str], pack: str = PACK) -> Path:
    """A valid suite file of four prompts × 5 samples, with ``changes`` (old, new) of its text."""
    text = SUITE
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "prompts.toml").write_text(pack, encoding="utf-8")
    file = folder / "suite.toml"
    file.write_text(text, encoding="utf-8")
    return file
