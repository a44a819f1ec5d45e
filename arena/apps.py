"""The Django app of the arena: it registers votes, checks and triggers at start."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ArenaConfig(AppConfig):
    name = "arena"

    def ready(self) -> None:
        from arena import celery, checks, trigger_installation  # noqa: F401  (celery: tasks are sent through this project's app)
        from arena.votes.preferences import count_preferences
        from evaluation.runs.sample_inputs import register_vote_source

        register_vote_source(count_preferences)
        post_migrate.connect(trigger_installation.install_triggers, sender=self, dispatch_uid="arena_triggers")
