"""Compilation of kernels with numba.

A kernel is a loop over arrays that numba compiles to machine code. Modules import kernels inside functions, because
numba takes 0.3 s to load. Kernels check nothing: an index out of range would read or write foreign memory, so their
callers validate first. They release the interpreter's lock and start no threads, so that they may run in any thread
and after a fork.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compile_kernel(function: Function, **options: Any) -> Function:
    """The function as machine code, compiled at its first call with each combination of argument types.

    The code is cached on disk: in NUMBA_CACHE_DIR if set, else beside the module, else in the user's cache folder. If
    none of them can be written, each process compiles again. The cache notices changes in the kernel's own module
    alone, so a kernel must not call kernels or use constants of another module.
    """
    compile_with: Any = partial(njit, nogil=True, error_model="numpy", **options)
    kernel: Function
    try:
        kernel = compile_with(cache=True)(function)
    except RuntimeError:  # numba found no folder for its cache
        kernel = compile_with()(function)
    return kernel


# Sums in the order of the votes cannot be vectorized. This lets the compiler reorder them.
compile_reordered: Final[Callable[[Function], Function]] = partial(compile_kernel, fastmath={"contract", "reassoc"})
