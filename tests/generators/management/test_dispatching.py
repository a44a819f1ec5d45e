"""Commands that dispatch tasks: the log has no line for each dispatched task, and keeps all others."""

import logging
from typing import Any

import pytest
from django.core.management import call_command, get_commands, load_command_class

from generators.management.dispatching import DispatchingCommand

TASKS = logging.getLogger("django_structlog.celery.receivers")


class Dispatch(DispatchingCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        TASKS.info("task_enqueued")
        TASKS.warning("task_lost")
        logging.getLogger("evaluation").info("run_started")
        if options["fail"]:
            raise ValueError("a mistake")

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--fail", action="store_true")


def test_dispatched_tasks_are_not_logged_while_the_command_runs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    call_command(Dispatch())
    TASKS.info("after the command")
    assert [record.message for record in caplog.records] == ["task_lost", "run_started", "after the command"]


def test_after_an_error_tasks_are_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(ValueError, match="a mistake"):
        call_command(Dispatch(), fail=True)
    assert TASKS.isEnabledFor(logging.INFO)


def test_a_log_level_above_warnings_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    call_command(Dispatch())
    assert caplog.records == []


@pytest.mark.parametrize("name", ["demo", "draw_pool", "resume_run", "retry_generations", "run_suite"])
def test_commands_that_dispatch_images_or_runs_are_quiet(name: str) -> None:
    assert isinstance(load_command_class(get_commands()[name], name), DispatchingCommand)
