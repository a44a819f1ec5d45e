"""The installation of packages: runs pip without its output, and explains a failure in a sentence or two.

The Makefile runs this file by its path, before anything is installed: it needs the standard library alone.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NEEDED = 4e9  # bytes: with torch for CPUs, and the downloads
PYPI = "https://pypi.org/simple"


def install(arguments: list[str]) -> int:
    """Run ``pip install`` with these arguments; 0, or 1 after printing why it failed."""
    # pip names the cause of a failed download only when it tries again.
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar=off", "--retries=2"]
    command = [sys.executable, "-m", "pip", "install", *options, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode == 0:
        return 0
    log = Path(sys.prefix) / "pip.log"
    try:
        log.write_text(done.stdout)
        where = f" (The output of pip is in {log}.)"
    except OSError:
        where = ""
    print(f"{explain_failure(done.stdout)}{where}", file=sys.stderr)
    return 1


def explain_failure(output: str) -> str:
    """The reason why pip failed, and what to do, from its output."""
    package, index = _find_package(output), f"the index {_find_index(output)}"
    if "No space left on device" in output:
        package = "The packages"  # the last one is not the reason
        cause = f"the disk is full: {_measure_disk()} are free"
        advice = f"An installation needs about {NEEDED / 1e9:.0f} GB."
    elif "ProxyError" in output:
        cause = f"the proxy{_find_proxy()} {_find_fault(output)}"
        advice = "Set HTTPS_PROXY (or PIP_PROXY) to a proxy that works, or unset it."
    elif "CERTIFICATE_VERIFY_FAILED" in output:
        cause = f"the certificate of {index} is not trusted"
        advice = "Set PIP_CERT to the file with the certificates of your network."
    elif "after connection broken by" in output or "Max retries exceeded" in output or "timed out" in output:
        cause = f"{index} {_find_fault(output)}"
        advice = "Check the network and PIP_INDEX_URL; behind a proxy, set HTTPS_PROXY."
    elif "No matching distribution found" in output:
        cause = f"{index} does not offer it for Python {sys.version_info.major}.{sys.version_info.minor}"
        advice = "Check PIP_INDEX_URL and PIP_EXTRA_INDEX_URL."
    else:
        errors = re.findall(r"^ *(?:ERROR|error): (.+)", output, re.MULTILINE)
        cause = f"pip failed: {errors[-1].strip().rstrip('.') if errors else 'it named no error'}"
        advice = "Correct the cause and start again."
    return f"{package} could not be installed, because {cause}. {advice}"


def _find_package(output: str) -> str:
    named = re.findall(r"(?:No matching distribution found for|satisfies the requirement) ([^\s(]+)", output)
    collected = re.findall(r"^ *(?:Collecting|Obtaining) (\S+)", output, re.MULTILINE)
    return str((named or collected or ["A package"])[-1])


def _find_index(output: str) -> str:
    indexes = re.findall(r"^ *Looking in indexes: (.+)", output, re.MULTILINE)
    return str(indexes[-1]) if indexes else PYPI


def _measure_disk() -> str:
    free = {folder: shutil.disk_usage(folder).free for folder in (sys.prefix, tempfile.gettempdir())}
    return " and ".join(f"{size / 1e6:,.0f} MB under {folder}" for folder, size in free.items())


def _find_proxy() -> str:
    for name in ("PIP_PROXY", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        if proxy := os.environ.get(name):
            return f" {re.sub('//[^/@]*@', '//', proxy)}"
    return ""


def _find_fault(output: str) -> str:
    if "Name or service not known" in output or "name resolution" in output:
        return "has an unknown host name"
    if "Connection refused" in output:
        return "refuses connections"
    if "Network is unreachable" in output or "No route to host" in output:
        return "cannot be reached from this network"
    if answered := re.findall(r"Tunnel connection failed: ([^'\")]+)", output):
        return f"answers {answered[-1].strip()}"
    return "does not answer"


if __name__ == "__main__":
    sys.exit(install(sys.argv[1:]))
