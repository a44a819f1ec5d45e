"""Compiled code where it can be had."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def prefer_compiled(function: Function) -> Function:
    """The kernel that has this function's name and arguments, or the function itself where numba is missing."""
    try:
        kernels = import_module("evaluation.ratings.kernels")
    except ImportError:
        return function
    kernel: Function = getattr(kernels, function.__name__)
    return kernel
