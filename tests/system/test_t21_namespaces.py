"""T21: what is no namespace of a pod is refused before anything changes, and a DEL succeeds whatever CNI_NETNS says."""

import os
import subprocess

import pytest

from terway_edge.core.errors import INVALID_ENVIRONMENT, INVALID_NETNS
from tests.system.machine import until
from tests.system.pictures import holders, picture

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def machine(shared):
    return shared


@pytest.fixture
def odd(machine, tmp_path):
    """Things at paths that are no pod's network namespace."""
    (tmp_path / "file").write_text("")
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link-to-file").symlink_to(tmp_path / "file")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "link-to-uts").symlink_to("/proc/self/ns/uts")
    (tmp_path / "link-to-own").symlink_to(f"/run/netns/{machine.netns}")
    ended = subprocess.Popen(["true"])
    ended.wait()
    return [
        *map(str, sorted(tmp_path.iterdir())),
        f"/run/netns/{machine.netns}",
        f"/proc/{machine._process.pid}/ns/net",
        f"/proc/{machine._process.pid}/task/{machine._process.pid}/ns/net",
        "/proc/self/ns/net",
        f"/proc/{ended.pid}/ns/net",
        "/proc/self/ns/mnt",
        "/proc/self/ns",
        "/dev/null",
        "/dev/zero",
        "/run/netns/../../dev/null",
        "/run/netns",
        "/",
    ]


def test_t21_what_is_no_pods_namespace_is_refused_before_any_change(machine, odd):
    pod = machine.new_pod()
    until(lambda: "10.64.2.0/24" in machine.routes(), "the first routes")
    before = picture(machine, pod)
    for path in odd:
        status, error = machine.cni("ADD", pod, CNI_NETNS=path)
        assert (status, error["code"]) == (1, INVALID_NETNS), (path, error)
        assert picture(machine, pod) == before, path
    for path in ("run/netns/x", f"../run/netns/{pod}", ".", pod):
        status, error = machine.cni("ADD", pod, CNI_NETNS=path)
        assert (status, error["code"]) == (1, INVALID_ENVIRONMENT), (path, error)
    assert picture(machine, pod) == before


def test_t21_a_del_succeeds_with_any_of_them_and_frees_the_address(machine, odd):
    pod, _ = machine.add()
    other, address = machine.add()
    for path in (*odd, "run/netns/x", "", "."):
        assert machine.cni("DEL", pod, CNI_NETNS=path) == (0, None), path
        assert holders(machine) == [other]
        until(lambda: len(machine.links()) == 1, "the link is unplugged")
        machine.add(pod)
    assert machine.pings(machine.peer, address)
    assert machine.cni("CHECK", other) == (0, None)


def test_t21_a_link_to_a_namespace_is_that_namespace(machine, tmp_path):
    pod, link = machine.new_pod(), tmp_path / "link"
    link.symlink_to(f"/run/netns/{pod}")
    status, result = machine.cni("ADD", pod, CNI_NETNS=str(link))
    assert status == 0, result
    assert result["interfaces"][1]["sandbox"] == str(link), "the very path that the runtime gave"
    assert "eth0" in machine.enter("ip", "-o", "link", netns=pod).stdout
