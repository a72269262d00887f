"""The second encoder: the same messages, built by pyroute2's message classes.

pyroute2 serves as a codec only: no IPRoute object, no event loop, no `netns=`; the bytes go through our own sockets.
It encodes everything, shaping included, and is what the packed encoder is measured against. Importing this module costs
20 MB and 0.2 s, so it is imported when the first item comes that needs it.
"""

# mypy: disallow-untyped-calls=False, disallow-subclassing-any=False
# (pyroute2's classes have no annotations)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyroute2.netlink import nla, nlmsg
from pyroute2.netlink.rtnl import TC_H_ROOT
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg
from pyroute2.netlink.rtnl.tcmsg import tcmsg
from pyroute2.netlink.rtnl.tcmsg.sched_tbf import options

from terway_edge.core.plans import FibRoute, Item, LinkAddress, LinkSetting, Neighbour, Rule, Shaping, Verb, Veth
from terway_edge.kernel import uapi
from terway_edge.kernel.packed import FAMILIES, FLAGS, only, route_metric, route_scope, route_type, rule_flags

ROOT_HANDLE = 0x10000  # 1:
TC_LINKLAYER_ETHERNET = 1
U32_MAX = 0xFFFFFFFF


def encode(verb: Verb, item: Item, seq: int) -> bytes:
    """The message that makes the change. `Veth.netns` must be an open descriptor."""
    return _ENCODERS[type(item)](verb, item, seq)


class LinkMessage(ifinfmsg):
    """ifinfmsg with IFLA_INET_CONF as a request has it; pyroute2 only knows the array of a dump.

    pyroute2 looks nested classes up by the names in `nla_map`.
    """

    class af_spec_inet(ifinfmsg.af_spec_inet):
        class inet(nla):
            nla_map: Any = (("IFLA_INET_UNSPEC", "none"), ("IFLA_INET_CONF", "conf"))

            class conf(nla):
                nla_map: Any = tuple((number, f"IPV4_DEVCONF_{number}", "uint32") for number in range(1, 64))


class ShapingMessage(tcmsg):
    """tcmsg with the attributes of tbf since Linux 3.13 that pyroute2 lacks: rates above 4 GB/s, bursts in bytes."""

    class tbf_options(options):
        nla_map: Any = (
            *options.nla_map,
            ("TCA_TBF_RATE64", "uint64"),
            ("TCA_TBF_PRATE64", "uint64"),
            ("TCA_TBF_BURST", "uint32"),
        )

        class tbf_parms(options.tbf_parms):
            def encode(self) -> None:
                """Without the rate table of old kernels, which is not needed when the link layer is given."""
                nla.encode(self)

    @staticmethod
    def get_options(self: Any, *argv: Any, **kwarg: Any) -> Any:  # noqa: PLW0211 - pyroute2's signature
        return ShapingMessage.tbf_options


def _bytes(message: nlmsg, kind: int, flags: int, seq: int, fields: dict[str, Any], attrs: list[Any]) -> bytes:
    for name, value in fields.items():
        message[name] = value
    message["attrs"] = [[name, value] for name, value in attrs if value is not None]
    message["header"]["type"] = kind
    message["header"]["flags"] = flags
    message["header"]["sequence_number"] = seq
    message.encode()
    return bytes(message.data)


def _mac(mac: bytes) -> str:
    return mac.hex(":")


def _veth(verb: Verb, veth: Veth, seq: int) -> bytes:
    only(Verb.ADD, verb, veth)
    peer = {
        "index": veth.peer_link,
        "attrs": [
            ["IFLA_IFNAME", veth.peer_name],
            ["IFLA_NET_NS_FD", veth.netns],
            ["IFLA_ADDRESS", _mac(veth.peer_mac)],
            ["IFLA_MTU", veth.mtu],
            ["IFLA_NUM_TX_QUEUES", 1],
            ["IFLA_NUM_RX_QUEUES", 1],
        ],
    }
    data = {"attrs": [["VETH_INFO_PEER", peer]]}
    attrs = [
        ("IFLA_IFNAME", veth.name),
        ("IFLA_ADDRESS", _mac(veth.mac)),
        ("IFLA_MTU", veth.mtu),
        ("IFLA_NUM_TX_QUEUES", 1),
        ("IFLA_NUM_RX_QUEUES", 1),
        ("IFLA_LINKINFO", {"attrs": [["IFLA_INFO_KIND", "veth"], ["IFLA_INFO_DATA", data]]}),
    ]
    return _bytes(ifinfmsg(), uapi.RTM_NEWLINK, FLAGS[verb], seq, {"index": veth.link}, attrs)


def _link_setting(verb: Verb, setting: LinkSetting, seq: int) -> bytes:
    only(Verb.REPLACE, verb, setting)
    fields = {"index": setting.link}
    if setting.up is not None:
        fields |= {"flags": uapi.IFF_UP if setting.up else 0, "change": uapi.IFF_UP}
    families: list[Any] = []
    if setting.conf4:
        conf = {"attrs": [[f"IPV4_DEVCONF_{option}", value] for option, value in setting.conf4]}
        families.append(["AF_INET", {"attrs": [["IFLA_INET_CONF", conf]]}])
    if setting.addr_gen_none:
        mode = ["IFLA_INET6_ADDR_GEN_MODE", uapi.IN6_ADDR_GEN_MODE_NONE]
        families.append(["AF_INET6", {"attrs": [mode]}])
    attrs = [
        ("IFLA_MTU", setting.mtu),
        ("IFLA_ADDRESS", None if setting.mac is None else _mac(setting.mac)),
        ("IFLA_AF_SPEC", {"attrs": families} if families else None),
    ]
    return _bytes(LinkMessage(), uapi.RTM_SETLINK, uapi.NLM_F_REQUEST, seq, fields, attrs)


def _link_address(verb: Verb, item: LinkAddress, seq: int) -> bytes:
    family = item.address.family
    flags = uapi.IFA_F_NODAD if family == 6 else 0
    fields = {"family": FAMILIES[family], "prefixlen": item.length, "flags": flags, "index": item.link}
    attrs = [("IFA_LOCAL", str(item.address)), ("IFA_ADDRESS", str(item.address))]
    kind = uapi.RTM_DELADDR if verb is Verb.REMOVE else uapi.RTM_NEWADDR
    return _bytes(ifaddrmsg(), kind, FLAGS[verb], seq, fields, attrs)


def _neighbour(verb: Verb, item: Neighbour, seq: int) -> bytes:
    remove = verb is Verb.REMOVE
    state = 0 if remove else uapi.NUD_PERMANENT
    fields = {"family": FAMILIES[item.address.family], "ifindex": item.link, "state": state}
    attrs = [("NDA_DST", str(item.address)), ("NDA_LLADDR", None if remove else _mac(item.mac))]
    return _bytes(ndmsg(), uapi.RTM_DELNEIGH if remove else uapi.RTM_NEWNEIGH, FLAGS[verb], seq, fields, attrs)


def _route(verb: Verb, route: FibRoute, seq: int) -> bytes:
    fields = {
        "family": FAMILIES[route.prefix.family],
        "dst_len": route.prefix.length,
        "table": route.table if route.table < 256 else 0,
        "proto": route.proto,
        "scope": route_scope(verb, route),
        "type": route_type(route),
        "flags": uapi.RTNH_F_ONLINK if route.onlink else 0,
    }
    attrs = [
        ("RTA_DST", str(route.prefix.address) if route.prefix.length else None),
        ("RTA_GATEWAY", str(route.via) if route.via else None),
        ("RTA_OIF", route.link or None),
        ("RTA_PRIORITY", route_metric(verb, route) or None),
        ("RTA_TABLE", route.table if route.table > 255 else None),
        ("RTA_PREFSRC", str(route.src) if route.src else None),
    ]
    kind = uapi.RTM_DELROUTE if verb is Verb.REMOVE else uapi.RTM_NEWROUTE
    return _bytes(rtmsg(), kind, FLAGS[verb], seq, fields, attrs)


def _rule(verb: Verb, rule: Rule, seq: int) -> bytes:
    fields = {
        "family": FAMILIES[rule.family],
        "dst_len": rule.dst.length if rule.dst else 0,
        "src_len": rule.src.length if rule.src else 0,
        "table": rule.table if rule.table < 256 else 0,
        "action": uapi.FR_ACT_TO_TBL,
    }
    attrs = [
        ("FRA_PRIORITY", rule.priority),
        ("FRA_TABLE", rule.table),
        ("FRA_PROTOCOL", rule.proto),
        ("FRA_DST", str(rule.dst.address) if rule.dst and rule.dst.length else None),
        ("FRA_SRC", str(rule.src.address) if rule.src and rule.src.length else None),
    ]
    return _bytes(
        fibmsg(), uapi.RTM_DELRULE if verb is Verb.REMOVE else uapi.RTM_NEWRULE, rule_flags(verb), seq, fields, attrs
    )


def _shaping(verb: Verb, shaping: Shaping, seq: int) -> bytes:
    """Burst and limit are cut to 4 GiB, more than any queue holds; a rate of more needs an attribute of its own."""
    only(Verb.REPLACE, verb, shaping)
    parms = {
        "rate": min(shaping.rate, U32_MAX),
        "rate___reserved": TC_LINKLAYER_ETHERNET,  # pyroute2's name for tc_ratespec.linklayer
        "limit": min(shaping.limit, U32_MAX),
    }
    attrs: list[Any] = [["TCA_TBF_PARMS", parms], ["TCA_TBF_BURST", min(shaping.burst, U32_MAX)]]
    if shaping.rate > U32_MAX:
        attrs.append(["TCA_TBF_RATE64", shaping.rate])
    fields = {"index": shaping.link, "handle": ROOT_HANDLE, "parent": TC_H_ROOT}
    request = [("TCA_KIND", "tbf"), ("TCA_OPTIONS", {"attrs": attrs})]
    return _bytes(ShapingMessage(), uapi.RTM_NEWQDISC, FLAGS[verb], seq, fields, request)


_ENCODERS: dict[type, Callable[[Verb, Any, int], bytes]] = {
    Veth: _veth,
    LinkSetting: _link_setting,
    LinkAddress: _link_address,
    Neighbour: _neighbour,
    FibRoute: _route,
    Rule: _rule,
    Shaping: _shaping,
}
