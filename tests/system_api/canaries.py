"""Nodes whose agents know secrets that exist nowhere else, at the highest verbosity, behind the Kubernetes API; and
everywhere that such a secret may be shown.

    node (agent) -- peer: API server, and the switch; the cloud's API is on the node
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import resource
import signal
import subprocess
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from terway_edge.cni.wire import call
from terway_edge.lab.deployed import EDGE, ENI, objects
from terway_edge.testing.apiserver import service_account, write_kubeconfig
from tests.eni_cloud.cloud_machine import CloudMachine
from tests.system.machine import Machine
from tests.system_api.site import InProcess

API = "192.0.2.20"
PLUGIN = """
from terway_edge.core.hookspecs import hookimpl

class Talkative:
    def __init__(self, context):
        self.context = context

    @hookimpl
    def terway_edge_cycle_done(self, routes, view):
        self.told = f"{routes!r} {view!r} {self.context!r} {vars(self.context.settings)}"
        raise RuntimeError(self.told)

    @hookimpl
    def terway_edge_query(self, words):
        raise RuntimeError(self.told)
"""
"""Shows all that a plugin is given, in errors that nobody expects."""
NFT = """#!/bin/sh
tr '\\0' '\\n' </proc/$$/environ >>{place}
printf '%s\\n' "$@" >>{place}
exec {real} "$@"
"""
QUERIES = ("status", "leases", "plugins", "routes", "config", "talkative all")
FETCH = "import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())"


class Shown(NamedTuple):
    """Something that somebody may read, and where; `mode` of a file."""

    place: str
    content: bytes
    mode: int = 0

    def has(self, secret: str) -> bool:
        return any(form in self.content for form in forms(secret))


def forms(secret: str) -> tuple[bytes, ...]:
    """A secret as it is and in the encodings that it may get on its way."""
    plain = secret.encode()
    # Inside of longer Base64, whatever comes before it; without the ends, in which the neighbours have a part.
    inside = (base64.b64encode(b"x" * shift + plain)[4:-4] for shift in range(3))
    return plain, plain.hex().encode(), urllib.parse.quote(secret, safe="").encode(), *inside


def leaks(shown: Iterable[Shown], secrets: Iterable[str], allowed: Iterable[str] = ()) -> set[tuple[str, str]]:
    """(place, secret) of what is shown where it should not be; in `allowed` files of the agent's alone it may."""
    allowed = set(allowed)
    return {
        (each.place, secret)
        for each in shown
        for secret in secrets
        if each.has(secret) and not (each.place in allowed and each.mode in (0o600, 0o400))
    }


def processes() -> Iterator[Shown]:
    """What all of this machine were started with."""
    for pid in os.listdir("/proc"):
        for name, mode in (("cmdline", 0o444), ("environ", 0o400)) if pid.isdigit() else ():
            with contextlib.suppress(OSError):  # it has ended
                yield Shown(f"/proc/{pid}/{name}", Path("/proc", pid, name).read_bytes(), mode)


def crashed(process: subprocess.Popen[bytes]) -> int:
    """How it has ended: os.CLD_DUMPED or os.CLD_KILLED."""
    resource.prlimit(process.pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    process.send_signal(signal.SIGSEGV)
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    process.wait()
    assert ended is not None
    return ended.si_code


class Behind(Machine):
    """Mixed into a machine: its manifests are objects of an API server, which gives its agent a token."""

    def __init__(self, directory: Path, account: str, **options: Any) -> None:
        self._api: InProcess | None = None
        self._waiting: dict[str, Mapping[str, Any]] = {}
        self._ends = ExitStack()
        super().__init__(directory, **options)
        try:
            self._begin(account)
        except BaseException:
            self.close()
            raise

    def _begin(self, account: str) -> None:
        self._api = InProcess(self.peer, API, self.directory)
        self._api.start()
        for each in (*objects(), *self._waiting.values()):
            self.api.objects.put(each)
        self.token = self.api.tokens.add(service_account("kube-system", account))
        admin = self._api.door()
        authority = base64.b64decode(admin["certificate-authority-data"])
        kubeconfig = self.directory / "kubeconfig"
        write_kubeconfig(kubeconfig, self._api.server.url, token=self.token, authority=authority)
        self.settings["cluster"] = {"source": "api", "kubeconfig": str(kubeconfig)}
        self.settings["log"] = {"level": "debug"}
        self._spy()

    def _spy(self) -> None:
        """On what the agent executes; and a plugin that shows what it knows."""
        self.executed = self.directory / "executed"
        place = self.directory / "spies"
        place.mkdir()
        (place / "nft").write_text(NFT.format(place=self.executed, real="/usr/sbin/nft"))
        (place / "nft").chmod(0o755)
        (place / "talkative.py").write_text(PLUGIN)
        info = place / "talkative-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: talkative\nVersion: 1\n")
        (info / "entry_points.txt").write_text("[terway_edge.backends]\ntalkative = talkative:Talkative\n")
        paths = [str(place), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.environ |= {"PATH": f"{place}:{os.environ['PATH']}", "PYTHONPATH": ":".join(paths)}

    @property
    def api(self) -> Any:
        assert self._api is not None
        return self._api.api

    def write(self, name: str, manifest: Mapping[str, Any]) -> None:
        if self._api is None:
            self._waiting[name] = manifest
        else:
            self.api.objects.put(manifest)

    def remove(self, name: str) -> None:
        del self._waiting[name]

    def close(self) -> None:
        try:
            super().close()
        finally:
            if self._api is not None:
                self._api.stop()

    # --- what can be read -----------------------------------------------------------------------------------------

    def shown(self, *questions: str) -> Iterator[Shown]:
        for words in questions:
            done = self.cli(*words.split(), check=False)
            assert done.stdout, (words, done.stderr)
            yield Shown(f"terway-edge {words}", (done.stdout + done.stderr).encode())
        socket = str(self.directory / "run" / "cni.sock")
        for query in QUERIES:
            yield Shown(query, call(socket, {"TERWAY_EDGE_QUERY": query}).payload)
        metrics = self.enter("python3", "-c", FETCH, f"http://127.0.0.1:{self.settings['metrics']['port']}/metrics")
        yield Shown("metrics", metrics.stdout.encode())
        yield from processes()
        yield Shown("executed", self.executed.read_bytes())
        yield Shown("log", self.log.read_bytes())
        for directory in ("run", "state", "net.d"):
            yield from files(self.directory / directory)
        yield from self._written()

    def _written(self) -> Iterator[Shown]:
        """Objects but Secrets, and what was asked of the API, but for the header that has the token."""
        for kind in ("Node", "Pod", "Event", "BGPPeer"):
            for each in self.api.objects.list(kind):
                yield Shown(f"{kind}/{each['metadata']['name']}", json.dumps(each).encode())
        for record in self.api.log.calls():
            call = record.call
            headers = {name: value for name, value in call.headers.items() if name != "authorization"}
            asked = f"{call.method} {call.path} {call.query} {headers} ".encode()
            yield Shown(f"request {record.name}", asked + call.body)


def files(directory: Path) -> Iterator[Shown]:
    for path in directory.rglob("*"):
        if path.is_file():
            yield Shown(path.name, path.read_bytes(), path.stat().st_mode & 0o777)


class EdgeNode(Behind):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory, EDGE)


class CloudNode(Behind, CloudMachine):
    def __init__(self, directory: Path, role: str = "") -> None:
        super().__init__(directory, ENI, role=role)

    def shown(self, *questions: str) -> Iterator[Shown]:
        yield from super().shown(*questions)
        for record in self.emulator.log.calls():  # without what requests are signed with
            yield Shown(f"call {record.name}", json.dumps(dict(record.parameters)).encode())
        for record in self.emulator.metadata_log.calls():
            yield Shown(f"metadata {record.name}", json.dumps(dict(record.parameters)).encode())
