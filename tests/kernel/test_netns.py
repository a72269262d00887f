"""Only network namespaces are entered, and the thread always comes back."""

from __future__ import annotations

import os
import resource
import threading

import pytest

from terway_edge.core import failpoints
from terway_edge.core.errors import INVALID_ENVIRONMENT, INVALID_NETNS, KernelError, Refused, Retry
from terway_edge.core.plans import Link
from terway_edge.kernel import LinuxKernel
from terway_edge.kernel.netns import OWN, inside, open_netns
from tests.failpoints import FailpointFile


def current() -> int:
    return os.stat(OWN).st_ino


@pytest.fixture
def odd_path(request, tmp_path):
    """Something at a path that is no network namespace."""
    path = tmp_path / "odd"
    if request.param == "regular file":
        path.write_text("")
    elif request.param == "fifo":
        os.mkfifo(path)
    elif request.param == "directory":
        path.mkdir()
    elif request.param == "dangling link":
        path.symlink_to(tmp_path / "nowhere")
    elif request.param == "link to another kind of namespace":
        path.symlink_to("/proc/self/ns/uts")
    return str(path)


@pytest.mark.parametrize(
    "odd_path",
    ["missing", "regular file", "fifo", "directory", "dangling link", "link to another kind of namespace"],
    indirect=True,
)
def test_t21_other_things_are_refused_by_path(odd_path):
    with pytest.raises(Refused, match="network namespace") as refused:
        open_netns(odd_path)
    assert refused.value.code == INVALID_NETNS
    assert odd_path in str(refused.value)


@pytest.mark.parametrize("path", ["/dev/null", "/proc/999999999/ns/net", "/proc/self/ns/mnt"])
def test_t21_files_of_the_system_are_refused(path):
    with pytest.raises(Refused, match=path) as refused:
        open_netns(path)
    assert refused.value.code == INVALID_NETNS


@pytest.mark.parametrize("path", ["run/netns/x", "../x", "/run/netns/a\0b"])
def test_t21_what_is_no_absolute_path_is_refused(path):
    with pytest.raises(Refused, match="not an absolute path") as refused:
        open_netns(path)
    assert refused.value.code == INVALID_ENVIRONMENT


def test_t21_descriptors_are_proven_too(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(Refused, match=f"descriptor {descriptor} is not a network namespace"):
            open_netns(descriptor)
    finally:
        os.close(descriptor)
    with pytest.raises(Refused, match=f"descriptor {descriptor} is not open"):
        open_netns(descriptor)
    with pytest.raises(Refused, match="descriptor -1 is not open"):
        open_netns(-1)


def test_refusal_leaves_no_descriptor_open(tmp_path):
    before = os.listdir("/proc/self/fd")
    for path in (str(tmp_path), "/proc/self/ns/uts"):
        with pytest.raises(Refused):
            open_netns(path)
    assert os.listdir("/proc/self/fd") == before


def test_own_namespace_opens_by_path_and_descriptor():
    first = open_netns(OWN)
    second = open_netns(first)
    try:
        assert os.fstat(first).st_ino == os.fstat(second).st_ino == current()
    finally:
        os.close(first)
        os.close(second)


@pytest.mark.root
def test_work_is_done_inside_and_the_thread_comes_back(real_world):
    descriptor = open_netns(real_world.create_netns())
    try:
        home = current()
        assert inside(descriptor, current) == os.fstat(descriptor).st_ino != home
        assert current() == home
    finally:
        os.close(descriptor)


@pytest.mark.root
def test_thread_comes_back_after_a_mistake(real_world):
    descriptor = open_netns(real_world.create_netns())
    try:
        home = current()
        with pytest.raises(ZeroDivisionError):
            inside(descriptor, lambda: 1 // 0)
        assert current() == home
    finally:
        os.close(descriptor)


@pytest.mark.root
def test_nobody_goes_without_a_way_back(real_world):
    descriptor = open_netns(real_world.create_netns())
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(descriptor)
    os.close(free)
    before = current()
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        with pytest.raises(KernelError, match="own network namespace: EMFILE"):
            inside(descriptor, current)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        os.close(descriptor)
    assert current() == before


@pytest.mark.root
def test_only_the_calling_thread_moves(real_world):
    descriptor = open_netns(real_world.create_netns())
    home = current()
    moved, seen, looked = threading.Event(), [], threading.Event()

    def look() -> None:
        moved.wait(5)
        seen.append(current())
        looked.set()

    other = threading.Thread(target=look)
    other.start()
    try:
        inside(descriptor, lambda: (moved.set(), looked.wait(5)))
    finally:
        other.join()
        os.close(descriptor)
    assert seen == [home]


@pytest.mark.root
def test_what_is_no_descriptor_cannot_be_entered():
    home = current()
    with pytest.raises(KernelError, match="cannot enter the network namespace: EBADF"):
        inside(-1, current)
    assert current() == home


@pytest.mark.root
def test_kernel_keeps_to_its_namespace_from_any_thread(real_world):
    """Made inside a namespace without an argument, it stays there whoever calls it."""
    netns = open_netns(real_world.create_netns())
    kernel = inside(netns, LinuxKernel)
    try:
        assert [link.name for link in kernel.dump(Link)] == ["lo"]
        seen = []
        other = threading.Thread(target=lambda: seen.append([link.name for link in kernel.dump(Link)]))
        other.start()
        other.join()
        assert seen == [["lo"]]
    finally:
        kernel.close()
        os.close(netns)


@pytest.mark.root
@pytest.mark.parametrize("error", ["EMFILE", "ENFILE", "ENOMEM"])
@pytest.mark.parametrize("by_descriptor", [False, True])
def test_t30_a_shortage_says_nothing_against_the_namespace(tmp_path, error, by_descriptor):
    points = FailpointFile(tmp_path)
    points.write(f"netns.open.before {error} *")
    descriptor = os.open(OWN, os.O_RDONLY)
    failpoints.arm(points.environ)
    try:
        with pytest.raises(Retry, match="is short of it"):
            open_netns(descriptor if by_descriptor else OWN)
    finally:
        failpoints.arm({})
        os.close(descriptor)
