"""The speakers that are compared, each with what it needs to announce a load."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.bgp_load import NODE, NODE_ASN, PASSWORD, SWITCH, SWITCH_ASN, Load, groups

ROOT = Path(__file__).parent.parent
# Without acknowledgements, command line, log, and change of user ExaBGP has less to do.
ENVIRON = {
    "PYTHONPATH": str(ROOT),
    "PYTHONUNBUFFERED": "",
    "exabgp_api_ack": "false",
    "exabgp_api_cli": "false",
    "exabgp_daemon_user": "root",
    "exabgp_log_enable": "false",
}


class Contestant(NamedTuple):
    """`command` writes files into a directory, in which what it returns is to be run."""

    name: str
    command: Callable[[Load, Path], list[str]]


def ours(load: Load, _: Path) -> list[str]:
    return [sys.executable, "-m", "benchmarks.bgp_speaker", str(load.prefixes), str(load.next_hops), PASSWORD]


def exabgp(load: Load, directory: Path) -> list[str]:
    config = f"""\
process feed {{
  run {sys.executable} -m benchmarks.bgp_feed {load.prefixes} {load.next_hops};
  encoder text;
}}
neighbor {SWITCH} {{
  router-id {NODE};
  local-address {NODE};
  local-as {NODE_ASN};
  peer-as {SWITCH_ASN};
  md5-password "{PASSWORD}";
  hold-time 90;
  group-updates true;
  family {{ ipv4 unicast; ipv6 unicast; }}
  api {{ processes [ feed ]; }}
}}
"""
    path = directory / "exabgp.conf"
    path.write_text(config)
    return [str(Path(sys.executable).with_name("exabgp")), "server", str(path)]


def bird(load: Load, directory: Path) -> list[str]:
    lines = (f"route {prefix} via {hop};\n" for hop, prefixes in groups(load) for prefix in prefixes)
    (directory / "routes.conf").write_text("".join(lines))
    config = f"""\
router id {NODE};
protocol device {{}}
protocol static {{
  ipv4;
  include "routes.conf";
}}
protocol bgp switch {{
  local {NODE} as {NODE_ASN};
  neighbor {SWITCH} as {SWITCH_ASN};
  password "{PASSWORD}";
  connect delay time 1;
  graceful restart on;
  ipv4 {{ import none; export all; }};
  ipv6 {{ import none; export all; }};
}}
"""
    (directory / "bird.conf").write_text(config)
    return ["bird", "-f", "-c", "bird.conf", "-s", "bird.ctl"]


CONTESTANTS = (Contestant("ours", ours), Contestant("exabgp", exabgp), Contestant("bird", bird))
