"""The Django app of generators: it registers its checks at start."""

from django.apps import AppConfig


class GeneratorsConfig(AppConfig):
    name = "generators"

    def ready(self) -> None:
        from generators import checks  # noqa: F401
