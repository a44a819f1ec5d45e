"""The option --model of commands: a model as operators write it."""

from typing import Final

from django.core.management.base import CommandError

from generators.model_names import ModelNameError, find_model
from generators.models import ImageModel

MODEL_HELP: Final = "slug or name of a model, or its family and revision"


def read_model(text: str) -> ImageModel:
    """The model that the option names. Raises CommandError."""
    try:
        return find_model(text)
    except ModelNameError as error:
        raise CommandError(str(error)) from error
