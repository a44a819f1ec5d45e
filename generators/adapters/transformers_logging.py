"""Logging of transformers: progress bars, advice and deprecation warnings are silenced. Errors are still raised."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silence_transformers_logging() -> Iterator[None]:
    """Import and call transformers inside this context. Its warnings concern its own code, not ours."""
    # Otherwise it reports its use to the Hugging Face Hub, even if nothing is downloaded.
    from huggingface_hub import constants

    constants.HF_HUB_DISABLE_TELEMETRY = True
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
