"""The `kubernetes` client library, of which only what is needed gets into memory.

Importing `kubernetes.aio` runs the code of its parent packages, which import the blocking client, the dynamic one,
websockets and informers: 9 MB that an edge node would hold for nothing. Configuration (kubeconfig, ServiceAccount with
tokens that rotate, TLS) and the HTTP client below the models are all that is used, so the parents are stood in for
while these two are imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from terway_edge.core.errors import Refused

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient

_PARENTS = ("kubernetes", "kubernetes.aio")
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@contextmanager
def _bare_parents() -> Iterator[None]:
    """Packages without content, through which their subpackages can be imported; gone afterwards, so that who imports
    `kubernetes` later gets the real one."""
    spec = PathFinder.find_spec("kubernetes")
    if spec is None or not spec.submodule_search_locations or "kubernetes" in sys.modules:
        yield
        return
    (root,) = spec.submodule_search_locations
    for name in _PARENTS:
        parent = ModuleType(name)
        parent.__path__ = [str(Path(root, *name.split(".")[1:]))]
        sys.modules[name] = parent
    try:
        yield
    finally:
        for name in _PARENTS:
            del sys.modules[name]


with _bare_parents():
    from kubernetes.aio import client as _client
    from kubernetes.aio import config as _config
    from kubernetes.aio.config.incluster_config import InClusterConfigLoader

    _ApiClient, _Configuration = _client.ApiClient, _client.Configuration  # now: later the parents are missing


async def open_client(
    kubeconfig: Path | None,
    scratch: Path,
    user_agent: str,
    service_account: Path = SERVICE_ACCOUNT,
    environ: Mapping[str, str] = os.environ,
) -> ApiClient:
    """A client with the credentials of a kubeconfig's current context, or, without one, of the ServiceAccount whose
    files the kubelet mounts. Raises Refused.

    :param scratch: directory for certificates and keys that a kubeconfig has inside.
    :param environ: where a Pod finds the API server's address.
    """
    configuration = _Configuration()
    # Python 3.13 refuses CAs without key identifiers, as many a cluster has one.
    configuration.disable_strict_ssl_verification = True
    try:
        if kubeconfig is not None:
            await _load_kubeconfig(kubeconfig, scratch, configuration)
        else:
            _load_service_account(configuration, service_account, environ)
        client = _ApiClient(configuration)
    except Exception as error:  # noqa: BLE001 - the library raises what its parsers raise
        why = " ".join(str(error).split()) or type(error).__name__
        raise Refused(f"{kubeconfig or service_account}: {why}; {_REMEDY[kubeconfig is None]}") from None
    client.user_agent = user_agent
    return client


_REMEDY = {
    True: "run the agent in a Pod with a ServiceAccount, or set cluster.kubeconfig",
    False: "set cluster.kubeconfig to a file that kubectl can use",
}


async def _load_kubeconfig(path: Path, scratch: Path, configuration: _client.Configuration) -> None:
    path.stat()  # the library only logs that there is no such file
    for directory in (scratch.parent, scratch):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    await _config.load_kube_config(
        str(path), client_configuration=configuration, persist_config=False, temp_file_path=str(scratch)
    )


def _load_service_account(configuration: _client.Configuration, files: Path, environ: Mapping[str, str]) -> None:
    """The library reads the token's file again every minute."""
    InClusterConfigLoader(
        token_filename=str(files / "token"), cert_filename=str(files / "ca.crt"), environ=environ
    ).load_and_set(configuration)
    # A proxy for the world outside is none for the cluster's own API.
    configuration.client_session_kwargs = {"trust_env": False}
