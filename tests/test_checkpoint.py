"""The commands of docs/checkpoint.md, run as they are written, with a tiny model and a small suite."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from generators.adapters.diffusers.tiny import make_tiny_pipeline

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "checkpoint.md").read_text()
SUITE = """
name = "small"
version = "1"
title = "Small"
prompt_files = ["prompts.toml"]
samples_per_prompt = 10
width = 64
height = 64

[[metrics]]
metric = "exposure"

[[gate]]
metric = "exposure"
at_most = 1
on = "value"
"""
PROMPTS = """
slug = "small"
version = "1"
title = "Small"
prompts = [{ key = "cat", text = "A cat" }, { key = "dog", text = "A dog" }]
"""
# The commands of this checkout, in place of installed ones.
COMMANDS = """
set -eu
pip() { echo "installed: $*"; }
paragone() { "$PYTHON" -m arena.console "$@"; }
celery() { exec "$PYTHON" -m celery "$@" > worker.log 2>&1; }
trap 'kill $(jobs -p); wait' EXIT
"""


def test_five_commands_lead_from_a_folder_with_weights_to_a_verdict(tmp_path: Path) -> None:
    make_tiny_pipeline(weights := tmp_path / "weights")
    commands = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert len(commands) == 5
    (declared,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    path = tomllib.loads(declared)["models"][0]["settings"]["path"]
    declared = declared.replace(path, str(weights)).replace("steps = 28", "steps = 2")
    (tmp_path / "checkpoint.toml").write_text(declared)
    (tmp_path / "small.toml").write_text(SUITE)
    (tmp_path / "prompts.toml").write_text(PROMPTS)
    script = COMMANDS + "".join(commands).replace("run_suite smoke ", "run_suite small.toml ")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PARAGONE_")}
    environment |= {
        "PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        "PARAGONE_VAR": str(tmp_path / "var"),
        "DJANGO_SETTINGS_MODULE": "arena.settings",
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS" in done.stdout
    report = json.loads((tmp_path / "reports" / "small-fresco-3-2f9c1e.json").read_text())
    assert (report["verdict"]["outcome"], report["n_drawn"]) == ("pass", 20)
    endings = {file.suffix for file in (tmp_path / "reports").iterdir()}
    assert endings == {".html", ".json", ".md", ".xml"}
