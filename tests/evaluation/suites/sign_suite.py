"""Suite of signs with given targets."""

from collections.abc import Sequence
from pathlib import Path

from evaluation.suites.suite import Suite, load_suite


def make_suite(folder: Path, targets: Sequence[tuple[str, str]], metrics: Sequence[str] = ("cer",)) -> Suite:
    """A suite with one prompt for each (language, target), ten images each."""
    prompts = "".join(
        f'[[prompts]]\nkey = "p{n}"\ntext = "a sign"\nlanguage = "{language}"\ntargets = ["{target}"]\n'
        for n, (language, target) in enumerate(targets)
    )
    (folder / "pack.toml").write_text(f'slug = "signs"\nversion = "1"\ntitle = "Signs"\n{prompts}', encoding="utf-8")
    listed = "".join(f'[[metrics]]\nmetric = "{name}"\n' for name in metrics)
    (folder / "suite.toml").write_text(
        'name = "signs"\nversion = "1"\ntitle = "Signs"\nprompt_files = ["pack.toml"]\nsamples_per_prompt = 10\n'
        f"width = 64\nheight = 64\n{listed}",
        encoding="utf-8",
    )
    return load_suite(folder / "suite.toml")
