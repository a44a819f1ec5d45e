"""transformers' progress bars, advice and deprecations, kept out of a worker's log. Errors are still raised."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Import and call transformers in here. What it would warn of is not ours to mend."""
    # It also tells the Hub of itself, even where nothing is downloaded.
    from huggingface_hub import constants

    constants.HF_HUB_DISABLE_TELEMETRY = True
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
