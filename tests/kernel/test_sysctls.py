"""Sysctls below the directory that they are mounted at, and nowhere else."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from pathlib import Path

import pytest

from terway_edge.core.errors import KernelError, Refused
from terway_edge.core.plans import Sysctl
from terway_edge.kernel.linux import MANY, LinuxKernel
from terway_edge.kernel.netns import inside, open_netns
from terway_edge.kernel.sysctls import ROOT, HostSysctls, deviates, write

COME_AND_GO = "link add gone0 type bridge\nlink delete gone0\n"


@pytest.mark.parametrize(("before", "when", "after"), [("0\n", "", "1\n"), ("0\n", "0", "1\n"), ("2\n", "0", "2\n")])
def test_a_value_is_written_where_it_is_mounted(tmp_path: Path, before: str, when: str, after: str) -> None:
    (tmp_path / "ipv4").mkdir()
    file = tmp_path / "ipv4/ip_forward"
    file.write_text(before)
    write(Sysctl("ipv4/ip_forward", "1", when), tmp_path)
    assert file.read_text() == after


@pytest.mark.parametrize("path", ["../kernel/panic", "ipv4/../../kernel/panic", "ipv4/x\0", "/ipv4/x", "ipv4//x"])
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(Refused, match=f"is not below {tmp_path}"):
        write(Sysctl(path, "1"), tmp_path)


@pytest.mark.root
def test_the_hosts_are_written_in_its_namespace_whatever_the_threads_is(real_world) -> None:
    path = "ipv4/conf/up0/proxy_arp"
    host, pod = (open_netns(each) for each in (f"/run/netns/{real_world._host}", real_world.create_netns()))
    settings = HostSysctls(host, ROOT)
    try:
        settings.write(Sysctl(path, "1"))  # from a thread at home
        assert real_world.sysctl(path) == "1"
        inside(pod, lambda: settings.write(Sysctl(path, "0")))
        assert real_world.sysctl(path) == "0"
        inside(pod, lambda: settings.write(Sysctl("ipv6/conf/up0/accept_ra", "0")))  # opened from elsewhere
        assert real_world.sysctl("ipv6/conf/up0/accept_ra") == "0"
        with pytest.raises(FileNotFoundError):
            settings.write(Sysctl("ipv4/conf/nobody/proxy_arp", "1"))
    finally:
        settings.close()
        os.close(host)
        os.close(pod)


def test_a_path_that_leads_elsewhere_is_refused_on_the_host_too(tmp_path: Path) -> None:
    for path in ("../kernel/panic", f"ipv4/{tmp_path}/elsewhere"):
        with pytest.raises(Refused, match=f"is not below {tmp_path}"):
            HostSysctls(-1, tmp_path).write(Sysctl(path, "1"))


@pytest.mark.root
def test_a_link_that_goes_while_its_settings_are_read_deviates_from_nothing(real_world) -> None:
    churn = threading.Thread(target=real_world.run, args=("ip", "-batch", "-"), kwargs={"text": 25 * COME_AND_GO})
    churn.start()
    wanted = [Sysctl("ipv4/conf/gone0/forwarding", value) for value in ("0", "1")]
    looks = 0
    while churn.is_alive():
        looks += bool(real_world.kernel.deviations(wanted))
    churn.join()
    assert looks, "it was there now and then"


@pytest.mark.parametrize(
    ("found", "value", "when", "differs"),
    [("1\n", "1", "", False), ("0\n", "1", "", True), ("1\n", "2", "1", True), ("0\n", "2", "1", False)],
)
def test_a_deviation_is_what_a_write_would_change(
    tmp_path: Path, found: str, value: str, when: str, differs: bool
) -> None:
    (tmp_path / "x").write_text(found)
    assert deviates(Sysctl("x", value, when), tmp_path) is differs
    assert not deviates(Sysctl("y", value, when), tmp_path)


def test_a_deviation_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is not below"):
        deviates(Sysctl("../kernel/panic", "1"), tmp_path)


@pytest.mark.root
def test_what_cannot_be_read_is_told_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    kernel = LinuxKernel(proc_sys_net=tmp_path)
    try:
        with pytest.raises(KernelError, match="cannot read sysctl x: EISDIR"):
            kernel.deviations([Sysctl("x", "1")])
    finally:
        kernel.close()


KEYS = {
    "ipv4": ("forwarding", "proxy_arp", "accept_redirects", "send_redirects", "rp_filter", "accept_source_route"),
    "ipv6": ("forwarding", "accept_ra", "accept_redirects", "hop_limit"),  # the last is for the files to tell
}


@pytest.mark.root
def test_many_are_read_at_once_and_alike(real_world) -> None:
    """Each of some links has one setting that differs, one after another; some links are not there."""
    names = [f"many{number}" for number in range(sum(map(len, KEYS.values())))]
    real_world._ip("".join(f"link add {name} type bridge\n" for name in names), f"/run/netns/{real_world._host}")
    paths = [f"{top}/conf/{{}}/{key}" for top, keys in KEYS.items() for key in keys]
    usual = {path: real_world.sysctl(path.format(names[0])) for path in paths}
    changed = {}
    with closing(HostSysctls(host := open_netns(f"/run/netns/{real_world._host}"), ROOT)) as settings:
        for name, path in zip(names, paths, strict=True):
            changed[path.format(name)] = value = "1" if usual[path] == "0" else "0" if "hop" not in path else "7"
            settings.write(Sysctl(path.format(name), value))
    os.close(host)
    wanted = [Sysctl(path.format(name), usual[path]) for name in (*names, "gone") for path in paths]
    assert len(wanted) > MANY
    found = real_world.kernel.deviations(wanted)
    assert {each.path for each in found} == changed.keys()
    one_by_one = [each for each in wanted if real_world.kernel.deviations([each])]
    assert found == one_by_one
    unless = [Sysctl(each.path, "9", changed.get(each.path, "no")) for each in wanted]
    assert {each.path for each in real_world.kernel.deviations(unless)} == changed.keys()
