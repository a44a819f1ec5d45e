from django.apps import AppConfig


class GeneratorsConfig(AppConfig):
    name = "generators"

    def ready(self) -> None:
        from generators import checks  # noqa: F401
