"""A socket filter (classic BPF, socket(7) SO_ATTACH_FILTER) that spares the watching thread what nobody needs.

Plugging one pod in causes some twenty notifications. Interpreting them in Python costs as much as the plugging, and
while one thread does that no other runs Python. The kernel drops, before waking anybody:

* routes, rules and addresses that we changed ourselves: the sender's port id is in our range;
* routes that the kernel makes itself, which come and go with addresses and links;
* news of a pod's host link (15 characters, `tw...`) that is new or up: only one that goes down or away matters, or gets
  a MAC that does not begin as ours do, such as udev gives;
* news of neighbours: only their end matters;
* what forwarding and rp_filter of a new link are, and that they got the values that pods need: one of the two alone,
  forwarding off or rp_filter on, is somebody's doing.
"""

from __future__ import annotations

import ctypes
import socket
from struct import Struct, pack

from terway_edge.core.names import HOST_OCTET, LINK_PREFIX
from terway_edge.kernel.uapi import (
    IFF_UP,
    IFLA_ADDRESS,
    IFLA_IFNAME,
    NETCONFA_FORWARDING,
    NETCONFA_RP_FILTER,
    NFNL_SUBSYS_NFTABLES,
    NFT_MSG_NEWGEN,
    RTM_DELADDR,
    RTM_DELNETCONF,
    RTM_DELROUTE,
    RTM_DELRULE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWNEIGH,
    RTM_NEWNETCONF,
    RTM_NEWROUTE,
    RTM_NEWRULE,
    RTPROT_KERNEL,
)

SO_ATTACH_FILTER = 26  # asm-generic/socket.h
PORT_MASK = 0xFFFFF000
"""Port ids of one process's sockets are equal in these bits."""

# Instructions of linux/filter.h: loads at a constant offset or at X plus it, loads of X, jumps, result.
LD_W, LD_H, LD_B, LD_H_X, LD_B_X = 0x20, 0x28, 0x30, 0x48, 0x50
LD_IMM, LDX_IMM, TAX, AND, JEQ, JSET, RET = 0x00, 0x01, 0x07, 0x54, 0x15, 0x45, 0x06
FIND_ATTRIBUTE = 0xFFFFF000 + 12  # SKF_AD_OFF + SKF_AD_NLATTR: offset of attribute X at or after offset A, or 0

# Offsets in a message: nlmsghdr, then rtmsg, ifinfomsg or netconfmsg with the attribute that names the link.
SIZE, TYPE, PORT, ROUTE_PROTO, LINK_FLAGS, LINK_CHANGE, LINK_ATTRIBUTES = 0, 4, 12, 21, 24, 28, 32
SETTING_KEY, SETTING_VALUE, ONE_SETTING = 30, 32, 36

_INSTRUCTION = Struct("=HBBI")
_OURS = (RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWADDR, RTM_DELADDR, RTM_NEWRULE, RTM_DELRULE)

EVERYTHING = 0xFFFFFFFF  # ifi_change of a link that has just been made

Line = tuple[int, int, str, str]
"""(instruction, constant, label to go to if true, label if false); labels are empty where nothing is decided."""


_VERDICTS: dict[str, list[Line]] = {"keep": [(RET, 0xFFFFFFFF, "", "")], "drop": [(RET, 0, "", "")]}


def attach(endpoint: socket.socket, port_base: int) -> None:
    """Filter what a socket of rtnetlink receives from now on. Raises OSError."""
    _attach(endpoint, _program(port_base))


def attach_to_tables(endpoint: socket.socket, port_base: int) -> None:
    """The same of a socket that hears of nftables: what we changed ourselves is dropped, and the news that some
    transaction, ours or others', is over. Raises OSError."""
    start = [
        (LD_H, TYPE, "", ""),
        (JEQ, _swap16(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN), "drop", ""),
    ]
    _attach(endpoint, {"start": start, "sender": _sender(port_base), **_VERDICTS})


def _attach(endpoint: socket.socket, program: dict[str, list[Line]]) -> None:
    code = assemble(program)
    buffer = ctypes.create_string_buffer(code)
    count = len(code) // _INSTRUCTION.size
    endpoint.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pack("@HP", count, ctypes.addressof(buffer)))


def _program(port_base: int) -> dict[str, list[Line]]:
    """Blocks of instructions by label; a block that decides nothing at its end falls into the next."""
    name_length = 4 + len(LINK_PREFIX) + 13 + 1  # attribute header, name, NUL
    return {
        "start": [(LD_H, TYPE, "", "")],
        "route?": [
            (JEQ, _swap16(RTM_NEWROUTE), "route", ""),
            (JEQ, _swap16(RTM_DELROUTE), "route", ""),
            (JEQ, _swap16(RTM_NEWLINK), "link", ""),
            (JEQ, _swap16(RTM_NEWNEIGH), "drop", ""),
            (JEQ, _swap16(RTM_NEWNETCONF), "settings", ""),
            (JEQ, _swap16(RTM_DELNETCONF), "drop", ""),
            *((JEQ, _swap16(kind), "sender", "") for kind in _OURS[2:]),
            (RET, 0xFFFFFFFF, "", ""),
        ],
        "route": [(LD_B, ROUTE_PROTO, "", ""), (JEQ, RTPROT_KERNEL, "drop", "")],
        "sender": _sender(port_base),
        "link": [
            (LD_W, LINK_CHANGE, "", ""),
            (JEQ, EVERYTHING, "name", ""),
            (LD_W, LINK_FLAGS, "", ""),
            (JSET, _swap32(IFF_UP), "", "keep"),
        ],
        "name": [
            (LDX_IMM, IFLA_IFNAME, "", ""),
            (LD_IMM, LINK_ATTRIBUTES, "", ""),
            (LD_W, FIND_ATTRIBUTE, "", ""),
            (JEQ, 0, "keep", ""),
            (TAX, 0, "", ""),
            (LD_H_X, 0, "", ""),
            (JEQ, _swap16(name_length), "", "keep"),
            (LD_H_X, 4, "", ""),
            (JEQ, int.from_bytes(LINK_PREFIX.encode(), "big"), "", "keep"),
            (LDX_IMM, IFLA_ADDRESS, "", ""),
            (LD_IMM, LINK_ATTRIBUTES, "", ""),
            (LD_W, FIND_ATTRIBUTE, "", ""),
            (JEQ, 0, "keep", ""),
            (TAX, 0, "", ""),
            (LD_B_X, 4, "", ""),
            (JEQ, HOST_OCTET, "drop", "keep"),
        ],
        "settings": [
            (LD_W, SIZE, "", ""),
            (JEQ, _swap32(ONE_SETTING), "", "drop"),
            (LD_H, SETTING_KEY, "", ""),
            (JEQ, _swap16(NETCONFA_FORWARDING), "forwarding", ""),
            (JEQ, _swap16(NETCONFA_RP_FILTER), "", "drop"),
            (LD_W, SETTING_VALUE, "", ""),
            (JEQ, 0, "drop", "keep"),
        ],
        "forwarding": [(LD_W, SETTING_VALUE, "", ""), (JEQ, 0, "keep", "drop")],
        **_VERDICTS,
    }


def _sender(port_base: int) -> list[Line]:
    return [
        (LD_W, PORT, "", ""),
        (AND, _swap32(PORT_MASK), "", ""),
        (JEQ, _swap32(port_base), "drop", "keep"),
    ]


def assemble(program: dict[str, list[Line]]) -> bytes:
    """Machine code of the blocks, labels turned into distances."""
    places: dict[str, int] = {}
    lines: list[Line] = []
    for label, block in program.items():
        places[label] = len(lines)
        lines += block
    code = b""
    for at, (instruction, constant, if_true, if_false) in enumerate(lines):
        jumps = [places[label] - at - 1 if label else 0 for label in (if_true, if_false)]
        code += _INSTRUCTION.pack(instruction, *jumps, constant)
    return code


def _swap16(value: int) -> int:
    """Netlink headers are in the machine's byte order, a filter reads in the network's."""
    return int.from_bytes(pack("=H", value), "big")


def _swap32(value: int) -> int:
    return int.from_bytes(pack("=I", value), "big")
