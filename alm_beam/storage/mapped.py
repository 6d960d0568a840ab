"""Files mapped into memory without an open descriptor: a process may map far more files than it may open."""

import ctypes
import mmap
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np


def mapped(descriptor: int, size: int) -> memoryview:
    """The first `size` bytes of an open file, read-only. They stay mapped for as long as anything refers to them.

    The descriptor may be closed at once. (`mmap.mmap` keeps a copy of it open. Where this is not POSIX, so does this.)

    Args:
        descriptor: of a file that can be read.
        size: bytes, at most those of the file.

    Raises:
        OSError: it cannot be mapped; with `errno.ENOMEM`, the process has no room for it, or too many mappings.

    >>> with open(f"{windows}/index/index.json", "rb") as file:
    ...     content = mapped(file.fileno(), 1)
    >>> bytes(content)
    b'{'
    """
    if not size:
        return memoryview(b"")
    if _libc is None:
        return memoryview(mmap.mmap(descriptor, size, access=mmap.ACCESS_READ))
    address = _libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
    if address == ctypes.c_void_p(-1).value:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return np.asarray(_Mapping(address, size, _libc.munmap)).data


class _Mapping:
    """Mapped memory, for NumPy; it is given back when the last array over it is gone."""

    def __init__(self, address: int, size: int, unmap: Callable[[int, int], int]):
        self._address, self._size, self._unmap = address, size, unmap
        self.__array_interface__ = {"version": 3, "shape": (size,), "typestr": "|u1", "data": (address, True)}

    def __del__(self) -> None:
        self._unmap(self._address, self._size)


def _library() -> Any:
    """The C library of this process; None where there is no such, or its numbers are not those below."""
    if os.name != "posix" or sys.maxsize < 1 << 32:
        return None
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)
    library.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    return library


_libc = _library()
