"""`terway-edge emulator`: a local stand-in for the cloud's API, for those who write or test a backend."""

from __future__ import annotations

import argparse
import signal
from contextlib import ExitStack
from pathlib import Path

from terway_edge.core.errors import Refused

DEFAULT_ADDRESS, DEFAULT_PORT = "127.0.0.1", 8080


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--address", default=DEFAULT_ADDRESS, help=f"to listen on (default {DEFAULT_ADDRESS})")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"to listen on; 0 picks one (default {DEFAULT_PORT})"
    )
    parser.add_argument(
        "--site", type=Path, metavar="FILE", help="YAML: regions, VPCs, instances (default: an example)"
    )
    parser.add_argument("--faults", type=Path, metavar="FILE", help="YAML: what goes wrong and when")
    parser.add_argument(
        "--metadata",
        action="append",
        default=[],
        metavar="INSTANCE=PORT",
        help="also serve this instance's metadata on a port of its own; without, whoever asks is told by their address",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM. Raises ConfigError, OSError."""
    from terway_edge.testing.openapi import Emulator, Script, Server, example_site, listen, read_faults, read_site

    site = read_site(arguments.site) if arguments.site else example_site()
    faults = read_faults(arguments.faults) if arguments.faults else Script()
    emulator = Emulator(site, faults=faults)
    ports = _metadata_ports(arguments.metadata, {each.id for each in emulator.instances()})
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    with ExitStack() as stack:
        main = stack.enter_context(Server(emulator, listen(arguments.address, arguments.port)))
        print(f"endpoint  {main.endpoint}")
        for key in site.keys:
            print(f"AccessKey {key.id} {key.secret}")
        for instance, port in ports:
            server = stack.enter_context(Server(emulator, listen(arguments.address, port), instance=instance))
            print(f"metadata  {server.endpoint} {instance}")
        print("the API is at / over plain HTTP, metadata below /latest/; stop with Ctrl-C", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


def _metadata_ports(options: list[str], instances: set[str]) -> list[tuple[str, int]]:
    ports = []
    for option in options:
        instance, _, port = option.partition("=")
        if instance not in instances or not port.isdecimal():
            known = ", ".join(sorted(instances))
            raise Refused(f"--metadata {option}: write INSTANCE=PORT; the instances are {known}")
        ports.append((instance, int(port)))
    return ports
