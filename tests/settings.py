"""Settings of the tests: those of the project, with a folder, a database and a broker of their own.

``PARAGONE_TEST_DATABASE`` is ``postgresql`` (the default if a server answers) or ``sqlite``; ``PARAGONE_TEST_POSTGRES``
is the address of a server on which the user may create databases. With ``PARAGONE_REQUIRE_SERVICES=1`` a missing
service fails the tests that need it; otherwise they are skipped.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import psycopg

POSTGRES = os.environ.get("PARAGONE_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
REQUIRE_SERVICES = os.environ.get("PARAGONE_REQUIRE_SERVICES") == "1"


def _postgres_answers() -> bool:
    try:
        psycopg.connect(POSTGRES, connect_timeout=30).close()
    except psycopg.OperationalError:
        if REQUIRE_SERVICES:
            raise
        return False
    return True


def _database_url() -> str:
    wanted = os.environ.get("PARAGONE_TEST_DATABASE") or ("postgresql" if _postgres_answers() else "sqlite")
    return POSTGRES if wanted == "postgresql" else f"sqlite:///{_VAR / 'tests.sqlite3'}"


def _make_folder() -> Path:
    """A temporary folder that is deleted when this process ends, not when a fork of it does."""
    folder, pid = Path(tempfile.mkdtemp(prefix="paragone-tests-")), os.getpid()

    def delete() -> None:
        if os.getpid() == pid:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(delete)
    return folder


_VAR = _make_folder()
for _name in [name for name in os.environ if name.startswith("PARAGONE_") and not name.startswith("PARAGONE_TEST_")]:
    if _name != "PARAGONE_REQUIRE_SERVICES":
        del os.environ[_name]
os.environ |= {
    "PARAGONE_VAR": str(_VAR),
    "PARAGONE_SECRET_KEY": "a key of the tests, 32 characters or more",
    "PARAGONE_DATABASE_URL": _database_url(),
    "PARAGONE_BROKER_URL": "memory://",
    "PARAGONE_ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    "PARAGONE_LOG_LEVEL": "ERROR",
}

from arena import settings as project  # noqa: E402
from arena.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# An open connection would prevent dropping the test database.
project.DATABASES["default"]["CONN_MAX_AGE"] = 0
if "sqlite" in project.DATABASES["default"]["ENGINE"]:
    # A file, so that the threads and processes of a test share it.
    project.DATABASES["default"]["TEST"] = {"NAME": str(_VAR / "tests.sqlite3")}
