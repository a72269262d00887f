"""From what a runtime sent (environment, stdin) to a validated `CniRequest`. Pure; nothing is looked up.

CNI specification 1.1.0, sections 2 ("Execution Protocol") and 3; what the reference library and the two common
runtimes really do is followed where the text leaves room. Whatever is wrong is Refused with the CNI code that fits
and one sentence that says what, where and what was expected. Whether a netns is one is for the kernel port to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from terway_edge.agent import netconf
from terway_edge.agent.port_mappings import port_mappings
from terway_edge.cni.versions import VERSIONS
from terway_edge.core.errors import INCOMPATIBLE_VERSION, INVALID_ENVIRONMENT, Refused
from terway_edge.core.models import Sandbox
from terway_edge.core.names import Key

NAME_LIMIT = 253  # longer ids break the runtime's own result cache, after our ADD
IFNAME_LIMIT = 15  # IFNAMSIZ less the NUL
PATH_LIMIT = 4095  # PATH_MAX less the NUL
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Command(StrEnum):
    """CNI_COMMAND; VERSION never comes here, the shim answers it."""

    ADD = "ADD"
    DEL = "DEL"
    CHECK = "CHECK"
    GC = "GC"
    STATUS = "STATUS"


REQUIRED = {
    Command.ADD: ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    Command.DEL: ("CNI_CONTAINERID", "CNI_IFNAME"),
    Command.CHECK: ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    Command.GC: (),
    Command.STATUS: (),
}
SINCE = {Command.CHECK: "0.4.0", Command.GC: "1.1.0", Command.STATUS: "1.1.0"}

BOOLEANS = {"1": True, "true": True, "0": False, "false": False}
POD_ARGUMENTS = {
    "K8S_POD_NAMESPACE": "pod_namespace",
    "K8S_POD_NAME": "pod_name",
    "K8S_POD_UID": "pod_uid",
    "K8S_POD_INFRA_CONTAINER_ID": "",
}


@dataclass(frozen=True, slots=True)
class CniRequest:
    """One valid call. `sandbox` is None for GC and STATUS; its bandwidth and ports are set for ADD and CHECK.

    `prev_result` is well-formed; for DEL a malformed one counts as absent, because a DEL must succeed.
    `valid_attachments` is for GC only: None = the runtime sent no list, which must never mean "delete everything";
    () = it sent an empty one.
    """

    command: Command
    network: str
    cni_version: str
    sandbox: Sandbox | None = None
    prev_result: Mapping[str, object] | None = None
    valid_attachments: tuple[Key, ...] | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


def parse_request(environ: Mapping[str, str], stdin: bytes, netns_fd: int = -1) -> CniRequest:
    """Validate a call; raises Refused with a CNI code. `netns_fd` is passed on to the sandbox as it is."""
    command = _command(environ)
    missing = [name for name in REQUIRED[command] if not environ.get(name)]
    if missing:
        raise _bad_environment(f"missing: {' '.join(missing)} (needed for {command})")
    sandbox = _sandbox(command, environ, netns_fd) if REQUIRED[command] else {}
    conf = netconf.load(stdin)
    version = netconf.version(conf)
    _check_since(command, version)
    network = netconf.network(conf)
    if not sandbox:
        attachments = netconf.valid_attachments(conf) if command is Command.GC else None
        return CniRequest(command, network, version, valid_attachments=attachments)
    sandbox |= _pod(environ.get("CNI_ARGS", ""), netconf.cni_args(conf))
    if command is Command.DEL:
        return CniRequest(command, network, version, Sandbox(**sandbox), netconf.prev_result_or_none(conf))
    annotations = netconf.pod_annotations(conf)
    sandbox |= {"bandwidth": netconf.bandwidth(conf, annotations), "ports": port_mappings(conf)}
    return CniRequest(command, network, version, Sandbox(**sandbox), netconf.prev_result(conf), annotations=annotations)


def _command(environ: Mapping[str, str]) -> Command:
    text = environ.get("CNI_COMMAND", "")
    if not text:
        raise _bad_environment("missing: CNI_COMMAND")
    try:
        return Command(text)
    except ValueError:
        known = ", ".join(Command)
        raise _bad_environment(f"CNI_COMMAND {netconf.shown(text)} is unknown, expected one of {known}") from None


def _sandbox(command: Command, environ: Mapping[str, str], netns_fd: int) -> dict[str, Any]:
    """Fields of Sandbox but for the pod's names. Raises Refused."""
    for name, find_problem in PROBLEMS.items():
        if problem := find_problem(environ[name]):
            raise _bad_environment(f"{name} {netconf.shown(environ[name])} {problem}")
    netns = environ.get("CNI_NETNS", "")
    problem = _netns_problem(netns)
    if problem and command is not Command.DEL:
        raise _bad_environment(f"CNI_NETNS {netconf.shown(netns)} {problem}")
    if problem:
        netns, netns_fd = "", -1
    return {
        "container_id": environ["CNI_CONTAINERID"],
        "ifname": environ["CNI_IFNAME"],
        "netns": netns,
        "netns_fd": netns_fd,
    }


def _container_id_problem(text: str) -> str:
    if len(text) > NAME_LIMIT:
        return f"has {len(text)} characters, at most {NAME_LIMIT} are allowed"
    if not IDENTIFIER.fullmatch(text):
        return "must start with a letter or digit and hold only letters, digits, '_', '.' and '-'"
    return ""


def _ifname_problem(text: str) -> str:
    if len(text) > IFNAME_LIMIT:
        return f"has {len(text)} characters, at most {IFNAME_LIMIT} are allowed"
    # The kernel would expand '%d' to a number of its own choice.
    if text in (".", "..") or not _is_graphic(text) or any(char in text for char in "/:%"):
        return "is no usable link name: '.', '..', '/', ':', '%', blanks and characters beyond ASCII are refused"
    return ""


def _is_graphic(text: str) -> bool:
    """Whether it is of printable ASCII characters without blanks."""
    return text.isascii() and text.isprintable() and " " not in text


def _netns_problem(text: str) -> str:
    if not text.startswith("/"):
        return "must be an absolute path"
    if len(text) > PATH_LIMIT or not text.isprintable():
        return f"must be a path of at most {PATH_LIMIT} printable characters"
    return ""


PROBLEMS = {"CNI_CONTAINERID": _container_id_problem, "CNI_IFNAME": _ifname_problem}
"""What is wrong with a variable's value, empty if nothing."""


def _check_since(command: Command, version: str) -> None:
    since = SINCE.get(command)
    if since and VERSIONS.index(version) < VERSIONS.index(since):
        raise Refused(
            f"{command} exists since CNI {since}, but the configuration says cniVersion {version}",
            code=INCOMPATIBLE_VERSION,
            details=f"raise cniVersion to {since} or newer",
        )


def _pod(cni_args: str, conf_args: Mapping[str, str]) -> dict[str, Any]:
    """Fields of Sandbox that name the pod; `args.cni` of the configuration wins over CNI_ARGS."""
    pairs = {**_pairs(cni_args), **conf_args}
    names = {POD_ARGUMENTS[key]: value for key, value in pairs.items() if POD_ARGUMENTS.get(key)}
    for pod_field, value in names.items():
        if len(value) > NAME_LIMIT or not _is_graphic(value):
            raise _bad_environment(f"CNI_ARGS: {pod_field} {netconf.shown(value)} is no name of a Kubernetes object")
    return names


def _pairs(text: str) -> dict[str, str]:
    """`K=V;K=V`; unknown keys only with IgnoreUnknown."""
    pairs: dict[str, str] = {}
    for pair in filter(None, text.split(";")):
        key, equals, value = pair.partition("=")
        if not key or not equals or "=" in value:
            raise _bad_environment(f"CNI_ARGS: {netconf.shown(pair)} is not of the form KEY=VALUE")
        pairs[key] = value
    ignore = BOOLEANS.get(pairs.pop("IgnoreUnknown", "0").lower())
    if ignore is None:
        raise _bad_environment("CNI_ARGS: IgnoreUnknown must be 1, true, 0 or false")
    unknown = sorted(pairs.keys() - POD_ARGUMENTS.keys())
    if unknown and not ignore:
        raise _bad_environment(
            f"CNI_ARGS: unknown {netconf.shown(' '.join(unknown))}; add IgnoreUnknown=1 to allow them"
        )
    return pairs


def _bad_environment(message: str) -> Refused:
    return Refused(message, code=INVALID_ENVIRONMENT)
