"""The libraries' progress bars, advice and deprecations, kept out of a worker's log. Errors are still raised."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Import and call diffusers and transformers in here. What they would warn of is not ours to mend."""
    # They also tell the Hub of themselves, even where nothing is downloaded.
    from huggingface_hub import constants

    constants.HF_HUB_DISABLE_TELEMETRY = True
    # Before diffusers, which lets transformers give advice while it is imported.
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import diffusers

        diffusers.utils.logging.set_verbosity_error()
        diffusers.utils.logging.disable_progress_bar()
        yield
