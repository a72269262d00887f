"""Network namespaces for benches, made and entered by system calls: a process per namespace would drown the figures."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000
MS_BIND = 4096
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def enter(namespace: int) -> None:
    """Go to the namespace behind a descriptor; the process must have one thread."""
    _check(_libc.setns(namespace, CLONE_NEWNET))


@contextmanager
def own_namespace() -> Iterator[int]:
    """Be in a new network namespace, which stands for a host's, and know its descriptor."""
    with open("/proc/self/ns/net") as before:
        _check(_libc.unshare(CLONE_NEWNET))
        try:
            with open("/proc/self/ns/net") as made:
                yield made.fileno()
        finally:
            enter(before.fileno())


@contextmanager
def pod_namespaces(directory: Path, count: int) -> Iterator[list[str]]:
    """Paths of `count` empty namespaces, as a runtime would make them for pods."""
    directory.mkdir(parents=True)
    paths = [directory / f"pod-{number}" for number in range(count)]
    made: list[Path] = []
    try:
        for path in paths:
            path.touch()
            with own_namespace():
                _check(_libc.mount(b"/proc/self/ns/net", str(path).encode(), b"none", MS_BIND, None))
            made.append(path)
        yield [str(path) for path in made]
    finally:
        for path in made:
            _libc.umount2(str(path).encode(), MNT_DETACH)
