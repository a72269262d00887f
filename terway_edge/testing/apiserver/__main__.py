"""`python -m terway_edge.testing.apiserver`: serve until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from terway_edge.cluster.documents import DocumentError, parse
from terway_edge.core.config_error import ConfigError
from terway_edge.testing.apiserver import (
    ADMIN,
    ApiError,
    ApiServer,
    Script,
    Server,
    Settings,
    listen,
    self_signed,
    write_kubeconfig,
)
from terway_edge.testing.apiserver.files import read_faults

DEFAULT_ADDRESS = "127.0.0.1"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m terway_edge.testing.apiserver", description=__doc__)
    made.add_argument("--address", default=DEFAULT_ADDRESS, help=f"to listen on (default {DEFAULT_ADDRESS})")
    made.add_argument("--port", type=int, default=0, help="to listen on; 0 picks one (default)")
    made.add_argument("--port-file", type=Path, metavar="FILE", help="write the port here once it serves")
    made.add_argument("--kubeconfig", type=Path, metavar="FILE", help="write the administrator's kubeconfig here")
    made.add_argument("--manifests", type=Path, nargs="*", default=[], metavar="FILE", help="objects to begin with")
    made.add_argument("--faults", type=Path, metavar="FILE", help="YAML: what goes wrong and when")
    made.add_argument("--tls", action="store_true", help="serve HTTPS with a certificate of its own")
    made.add_argument("--rbac", action="store_true", help="ask for tokens and enforce roles")
    made.add_argument("--bookmarks", type=float, default=60.0, metavar="SECONDS", help="between two of a watch")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Raises OSError."""
    options = parser().parse_args(arguments)
    try:
        faults = read_faults(options.faults) if options.faults else Script()
        api = ApiServer(Settings(rbac=options.rbac, bookmarks=options.bookmarks), faults=faults)
        for path in options.manifests:
            for each in parse(path.read_text(), yaml=path.suffix != ".json"):
                api.objects.put(each)
    except (ConfigError, DocumentError, ApiError, KeyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return _serve(api, options)


def _serve(api: ApiServer, options: argparse.Namespace) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    certificate = self_signed(options.address, "localhost") if options.tls else None
    token = api.tokens.add(ADMIN) if options.rbac else ""
    context = certificate.context() if certificate else None
    with Server(api, listen(options.address, options.port), context) as server:
        if options.kubeconfig:
            authority = certificate.certificate if certificate else b""
            write_kubeconfig(options.kubeconfig, server.url, token=token, authority=authority)
        if options.port_file:
            options.port_file.write_text(f"{server.port}\n")
        print(server.url, flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    sys.exit(main())
