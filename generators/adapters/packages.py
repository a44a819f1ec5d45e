"""Missing packages: the error that names the extra to install."""

from generators.adapters.base import AdapterError, Outcome


def make_import_error(error: ImportError, extra: str) -> AdapterError:
    """The AdapterError (invalid, code "package") for a package that ``extra`` installs."""
    name = error.name or str(error)
    text = f"The Python package {name} is not installed. Install it: pip install 'paragone[{extra}]'."
    return AdapterError(Outcome.INVALID, text, code="package")
