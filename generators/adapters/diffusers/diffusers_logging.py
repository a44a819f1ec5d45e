"""Logging of diffusers, and of transformers, which it imports: silenced except for errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from generators.adapters.transformers_logging import silence_transformers_logging


@contextmanager
def silence_diffusers_logging() -> Iterator[None]:
    """Import and call diffusers and transformers inside this context."""
    # transformers first: diffusers makes it give advice while it is imported.
    with silence_transformers_logging():
        import diffusers

        diffusers.utils.logging.set_verbosity_error()
        diffusers.utils.logging.disable_progress_bar()
        yield
