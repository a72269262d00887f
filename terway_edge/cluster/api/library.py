"""The `kubernetes` client library, of which only what is needed gets into memory.

Importing `kubernetes.aio` runs the code of its parent packages, which import the blocking client, the dynamic one,
websockets and informers: 9 MB that an edge node would hold for nothing. Configuration (kubeconfig, ServiceAccount with
tokens that rotate, TLS) and the HTTP client below the models are all that is used, so the parents are stood in for
while these two are imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
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
    from kubernetes.aio.config import kube_config as _kube_config
    from kubernetes.aio.config.incluster_config import InClusterConfigLoader

    _ApiClient, _Configuration = _client.ApiClient, _client.Configuration  # now: later the parents are missing


async def open_client(
    kubeconfig: Path | None,
    user_agent: str,
    service_account: Path = SERVICE_ACCOUNT,
    environ: Mapping[str, str] = os.environ,
) -> ApiClient:
    """A client with the credentials of a kubeconfig's current context, or, without one, of the ServiceAccount whose
    files the kubelet mounts. Raises Refused.

    :param environ: where a Pod finds the API server's address.
    """
    configuration = _Configuration()
    # Python 3.13 refuses CAs without key identifiers, as many a cluster has one.
    configuration.disable_strict_ssl_verification = True
    try:
        if kubeconfig is not None:
            with _no_files():
                await _load_kubeconfig(kubeconfig, configuration)
                client = _ApiClient(configuration)
        else:
            _load_service_account(configuration, service_account, environ)
            client = _ApiClient(configuration)
    except Exception as error:  # noqa: BLE001 - the library raises what its parsers raise
        why = " ".join(str(error).split()) or type(error).__name__
        raise Refused(f"{kubeconfig or service_account}: {why}; {_REMEDY[kubeconfig is None]}") from None
    client.user_agent = user_agent
    return client


# --- certificates and keys that a kubeconfig has inside -------------------------------------------------------------

_memory: ContextVar[ExitStack | None] = ContextVar("_memory", default=None)
"""Closes what a client that is being made reads; None where nobody makes one."""
_in_file: Callable[[str | bytes, str | None, bool], str] = _kube_config._create_temp_file_with_content


@contextmanager
def _no_files() -> Iterator[None]:
    """Within it, what the library would write to files is in memory: whoever is killed removes no file with a key."""
    with ExitStack() as stack:
        token = _memory.set(stack)
        try:
            yield
        finally:
            _memory.reset(token)


def _in_memory(content: str | bytes, temp_file_path: str | None = None, force_recreate: bool = False) -> str:
    """In place of the library's function: the name of something that can be read as a file (memfd_create(2)). TLS has
    read it once there is a client."""
    stack = _memory.get()
    if stack is None:
        return _in_file(content, temp_file_path, force_recreate)
    descriptor = os.memfd_create("kubeconfig")
    stack.callback(os.close, descriptor)
    os.write(descriptor, content.encode() if isinstance(content, str) else content)
    return f"/proc/self/fd/{descriptor}"


_kube_config._create_temp_file_with_content = _in_memory

_REMEDY = {
    True: "run the agent in a Pod with a ServiceAccount, or set cluster.kubeconfig",
    False: "set cluster.kubeconfig to a file that kubectl can use",
}


async def _load_kubeconfig(path: Path, configuration: _client.Configuration) -> None:
    path.stat()  # the library only logs that there is no such file
    await _config.load_kube_config(str(path), client_configuration=configuration, persist_config=False)


def _load_service_account(configuration: _client.Configuration, files: Path, environ: Mapping[str, str]) -> None:
    """The library reads the token's file again every minute."""
    InClusterConfigLoader(
        token_filename=str(files / "token"), cert_filename=str(files / "ca.crt"), environ=environ
    ).load_and_set(configuration)
    # A proxy for the world outside is none for the cluster's own API.
    configuration.client_session_kwargs = {"trust_env": False}
