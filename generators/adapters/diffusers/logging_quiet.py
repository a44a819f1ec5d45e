"""The same for diffusers, which brings transformers along."""

from collections.abc import Iterator
from contextlib import contextmanager

from generators.adapters.logging_quiet import quiet_transformers


@contextmanager
def quiet() -> Iterator[None]:
    """Import and call diffusers and transformers in here."""
    # Before diffusers, which lets transformers give advice while it is imported.
    with quiet_transformers():
        import diffusers

        diffusers.utils.logging.set_verbosity_error()
        diffusers.utils.logging.disable_progress_bar()
        yield
