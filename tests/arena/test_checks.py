"""System checks: each misconfiguration that would fail later has an id."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from arena import checks
from tests.processes import child_environment

READ_SIGN_IN_PAGE = """
import re
from django.test import Client
client = Client(SERVER_NAME="arena.example")
page = client.get("/sign-in/", secure=True)
css = re.search('/static/arena/paragone[^"]*css', page.content.decode())[0]
answer = client.get(css, secure=True)
print(page.status_code, css, answer.status_code, answer["Cache-Control"].split()[-1])
"""


def ids(messages: list) -> list[str]:
    return [message.id for message in messages]


def test_the_embedded_default_is_clean(settings, tmp_path: Path) -> None:
    for check in (checks.check_secret_key, checks.check_worker_hosts, checks.check_media_writable):
        assert check() == []
    assert checks.check_allowed_hosts() == []


@pytest.mark.parametrize("key", ["", "short"])
def test_production_needs_a_secret_key(settings, key: str) -> None:
    settings.PRODUCTION, settings.SECRET_KEY = True, key
    assert ids(checks.check_secret_key()) == ["arena.E001"]


def test_production_refuses_a_short_earlier_key(settings) -> None:
    settings.PRODUCTION, settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = True, "k" * 32, ["k" * 32, "short"]
    assert ids(checks.check_secret_key()) == ["arena.E001"]
    settings.SECRET_KEY_FALLBACKS = ["k" * 32]
    assert checks.check_secret_key() == []


def test_several_worker_hosts_need_a_database_and_a_broker_on_the_network(
    settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WORKER_HOSTS, settings.CELERY_BROKER_URL = 2, settings.EMBEDDED_BROKER
    monkeypatch.setattr(checks, "connection", SimpleNamespace(vendor="sqlite"))
    assert ids(checks.check_worker_hosts()) == ["arena.E002", "arena.E003"]
    monkeypatch.setattr(checks, "connection", SimpleNamespace(vendor="postgresql"))
    settings.CELERY_BROKER_URL = "redis://127.0.0.1/0"
    assert checks.check_worker_hosts() == []


def test_checks_of_prompts_must_be_importable(settings) -> None:
    assert checks.check_moderation() == []
    settings.MODERATION = [
        "arena.rater_prompts.moderation.check_words",
        "arena.rater_prompts.moderation.check_wurds",
        "nowhere.check",
        "check",
    ]
    assert ids(checks.check_moderation()) == ["arena.E008"] * 3


def test_the_media_folder_must_be_writable(settings, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    settings.MEDIA_ROOT = file / "media"
    assert ids(checks.check_media_writable()) == ["arena.E004"]


def test_a_read_only_media_folder_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.os, "access", lambda folder, mode: False)  # root may write anywhere
    assert ids(checks.check_media_writable()) == ["arena.E004"]


def test_production_needs_host_names(settings) -> None:
    settings.PRODUCTION, settings.ALLOWED_HOSTS = True, []
    assert ids(checks.check_allowed_hosts()) == ["arena.E006"]


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = child_environment(**environment)
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], env=env, capture_output=True, text=True, check=False
    )


def test_an_unreachable_broker_is_an_error_of_the_deployment_check(db: None) -> None:
    found = manage("check", "--deploy", PARAGONE_BROKER_URL="redis://:hunter2@127.0.0.1:1/0")
    assert found.returncode == 1
    assert "arena.E005" in found.stderr
    assert "hunter2" not in found.stderr + found.stdout


def test_an_invalid_broker_address_is_an_error(db: None) -> None:
    assert "arena.E005" in manage("check", "--deploy", PARAGONE_BROKER_URL="carrier-pigeon://loft").stderr


@pytest.mark.redis
def test_a_complete_production_passes_every_check(db: None, redis_url: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 60 + "0123456789\n")
    environment = child_environment(
        PARAGONE_PRODUCTION="1",
        PARAGONE_SECRET_KEY_FILE=str(key),
        PARAGONE_ALLOWED_HOSTS="arena.example",
        PARAGONE_BROKER_URL=redis_url,
    )
    del environment["PARAGONE_SECRET_KEY"]
    environment["PARAGONE_VAR"] = str(tmp_path)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert "arena.E007" in run("check", "--deploy").stderr
    assert run("collectstatic", "--noinput").returncode == 0
    done = run("check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    page = run("shell", "-v0", "-c", READ_SIGN_IN_PAGE)
    assert re.search(r"^200 /static/arena/paragone\.\w{12}\.css 200 immutable$", page.stdout, re.MULTILINE), page


def test_a_setting_of_the_wrong_type_names_itself(db: None) -> None:
    found = manage("check", PARAGONE_WORKER_HOSTS="many")
    assert found.returncode != 0
    assert "PARAGONE_WORKER_HOSTS" in found.stderr


def test_a_missing_secret_file_names_its_setting(db: None) -> None:
    found = manage("check", PARAGONE_SECRET_KEY_FILE="/nowhere/key")
    assert found.returncode != 0
    assert "PARAGONE_SECRET_KEY_FILE" in found.stderr


def test_the_key_of_a_provider_may_be_in_a_file(db: None, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-in-a-file\n")
    command = "from django.conf import settings; print(settings.PROVIDER_KEYS['PARAGONE_OPENAI_KEY'])"
    printed = manage("shell", "-v0", "-c", command, PARAGONE_OPENAI_KEY_FILE=str(tmp_path / "key"))
    assert printed.stdout.strip() == "sk-in-a-file"
