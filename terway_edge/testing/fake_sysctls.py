"""The files below /proc/sys/net of one namespace, with the defaults of Linux 6.18."""

from __future__ import annotations

import errno
from collections.abc import Collection

from terway_edge.core.plans import Sysctl

CONF4 = {
    1: "forwarding",
    2: "mc_forwarding",
    3: "proxy_arp",
    4: "accept_redirects",
    5: "secure_redirects",
    6: "send_redirects",
    7: "shared_media",
    8: "rp_filter",
    9: "accept_source_route",
    11: "log_martians",
    18: "arp_announce",
    19: "arp_ignore",
    20: "promote_secondaries",
    21: "arp_accept",
    22: "arp_notify",
    23: "accept_local",
    24: "src_valid_mark",
    26: "route_localnet",
}
"""IPV4_DEVCONF_* numbers of linux/ip.h and the sysctl each one is."""

_ONES4 = {"accept_redirects", "secure_redirects", "send_redirects", "shared_media", "accept_source_route"}
PER_LINK = {
    "ipv4/conf": {key: "1" if key in _ONES4 else "0" for key in CONF4.values()},
    "ipv6/conf": {
        "accept_dad": "1",
        "accept_ra": "1",
        "accept_ra_defrtr": "1",
        "accept_redirects": "1",
        "accept_source_route": "0",
        "addr_gen_mode": "0",
        "autoconf": "1",
        "dad_transmits": "1",
        "disable_ipv6": "0",
        "forwarding": "0",
        "keep_addr_on_down": "0",
        "ndisc_notify": "0",
        "proxy_ndp": "0",
        "router_solicitations": "-1",
        "use_tempaddr": "0",
    },
}
WHOLE_NETNS = {"ipv4/ip_forward": "0", "ipv4/ip_nonlocal_bind": "0", "ipv4/fib_multipath_hash_policy": "0"}
ALL_FORWARDING = {4: "ipv4/ip_forward", 6: "ipv6/conf/all/forwarding"}


class FakeSysctls:
    """Values by path; a link's own value wins over `default`. Raises OSError ENOENT for a file that is not there."""

    def __init__(self) -> None:
        self._written: dict[str, str] = {}

    def read(self, path: str, links: Collection[str]) -> str:
        path = _canonical(path)
        if path in WHOLE_NETNS:
            return self._written.get(path, WHOLE_NETNS[path])
        area, name, key = _split(path)
        if key not in PER_LINK.get(area, {}) or name not in {"all", "default", *links}:
            raise OSError(errno.ENOENT, f"/proc/sys/net/{path} does not exist")
        default = self._written.get(f"{area}/default/{key}", PER_LINK[area][key])
        return self._written.get(path, default)

    def write(self, item: Sysctl, links: Collection[str]) -> None:
        path = _canonical(item.path)
        if self.read(path, links) == item.value or (item.when and self.read(path, links) != item.when):
            return
        self._written[path] = item.value
        if path in ALL_FORWARDING.values():
            # The switch for all overwrites every link's own (ip-sysctl.rst, ip_forward and conf/all/forwarding).
            family = path[:4]
            for name in ("default", *links):
                self._written[f"{family}/conf/{name}/forwarding"] = item.value

    def forget_link(self, name: str) -> None:
        self._written = {path: value for path, value in self._written.items() if _split(path)[1] != name}

    def written(self) -> list[Sysctl]:
        """What somebody changed, on links other than lo."""
        return [Sysctl(path, value) for path, value in self._written.items() if _split(path)[1] != "lo"]


def _canonical(path: str) -> str:
    return "ipv4/ip_forward" if path == "ipv4/conf/all/forwarding" else path


def _split(path: str) -> tuple[str, str, str]:
    """(ipv4/conf, link name, key); the name is empty for a file that is not about a link."""
    parts = path.split("/")
    return ("/".join(parts[:2]), parts[2], parts[3]) if len(parts) == 4 else ("", "", "")
