"""A socket filter (classic BPF, socket(7) SO_ATTACH_FILTER) that spares the watching thread what nobody needs.

Plugging one pod in causes some twenty notifications. Interpreting them in Python costs as much as the plugging, and
while one thread does that no other runs Python. The kernel drops, before waking anybody:

* routes, rules and addresses that we changed ourselves: the sender's port id is in our range;
* routes that the kernel makes itself, which come and go with addresses and links;
* news of a pod's host link (15 characters, `tw...`) that is new or up: only one that goes down or away matters;
* news of neighbours: only their end matters.
"""

from __future__ import annotations

import ctypes
import socket
from struct import Struct, pack

from terway_edge.core.names import LINK_PREFIX
from terway_edge.kernel.uapi import (
    IFF_UP,
    IFLA_IFNAME,
    RTM_DELADDR,
    RTM_DELROUTE,
    RTM_DELRULE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWNEIGH,
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

# Offsets in a message: nlmsghdr, then rtmsg or ifinfomsg.
TYPE, PORT, ROUTE_PROTO, LINK_FLAGS, LINK_CHANGE, LINK_ATTRIBUTES = 4, 12, 21, 24, 28, 32

_INSTRUCTION = Struct("=HBBI")
_OURS = (RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWADDR, RTM_DELADDR, RTM_NEWRULE, RTM_DELRULE)

EVERYTHING = 0xFFFFFFFF  # ifi_change of a link that has just been made

Line = tuple[int, int, str, str]
"""(instruction, constant, label to go to if true, label if false); labels are empty where nothing is decided."""


def attach(endpoint: socket.socket, port_base: int) -> None:
    """Filter what `endpoint` receives from now on. Raises OSError."""
    code = assemble(_program(port_base))
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
            *((JEQ, _swap16(kind), "sender", "") for kind in _OURS[2:]),
            (RET, 0xFFFFFFFF, "", ""),
        ],
        "route": [(LD_B, ROUTE_PROTO, "", ""), (JEQ, RTPROT_KERNEL, "drop", "")],
        "sender": [
            (LD_W, PORT, "", ""),
            (AND, _swap32(PORT_MASK), "", ""),
            (JEQ, _swap32(port_base), "drop", "keep"),
        ],
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
            (JEQ, int.from_bytes(LINK_PREFIX.encode(), "big"), "drop", "keep"),
        ],
        "keep": [(RET, 0xFFFFFFFF, "", "")],
        "drop": [(RET, 0, "", "")],
    }


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
