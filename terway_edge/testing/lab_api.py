"""The API server of the lab, a process of its own: `python -m terway_edge.testing.lab_api FILE`.

It serves the double in the namespace of the control plane, over HTTPS and with roles enforced, and answers the lab on a
socket: a question is one line of JSON, `{"do": WHAT}`, and so is the answer, a report.
"""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from terway_edge.core.fields import AbsolutePath
from terway_edge.testing.apiserver import (
    ADMIN,
    ApiServer,
    CallRecord,
    Certificate,
    Server,
    Settings,
    self_signed,
    write_kubeconfig,
)
from terway_edge.testing.apiserver.store import Snapshot
from terway_edge.testing.lab_control import Control
from terway_edge.testing.lab_listener import Listener

FORBIDDEN = (401, 403)
MALFORMED = (400, 405, 406, 413, 415, 422)


class Stage(Listener):
    """`kubeconfig` is where the administrator's is written, `control` where the lab's questions come."""

    kubeconfig: AbsolutePath
    control: AbsolutePath


class Deeds:
    """What the lab may have done to the server."""

    def __init__(self, api: ApiServer, server: Server) -> None:
        self._api, self._server = api, server
        self._backup: Snapshot | None = None
        self._by_name: dict[str, Callable[[], None]] = {
            "report": lambda: None,
            "cut": server.away,
            "mend": server.back,
            "back up": self._back_up,
            "restore": self._restore,
        }

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        self._by_name[question["do"]]()
        return report(self._api.log.calls())

    def _back_up(self) -> None:
        self._backup = self._api.snapshot()

    def _restore(self) -> None:
        """What `etcdutl snapshot restore --bump-revision ... --mark-compacted` leaves to an API server that starts."""
        assert self._backup is not None
        self._api.restore(self._backup, bump=self._api.revision)


def report(calls: Iterable[CallRecord]) -> dict[str, Any]:
    """How often what was asked, and whatever was not allowed or not understood."""
    calls = list(calls)
    return {
        "calls": dict(Counter(call.name for call in calls)),
        "forbidden": [_told(call) for call in calls if call.status in FORBIDDEN],
        "malformed": [_told(call) for call in calls if call.status in MALFORMED or call.unknown],
    }


def main(path: Path) -> None:
    """Serve until SIGTERM. Raises OSError if that cannot begin."""
    stage = Stage.model_validate_json(path.read_text())
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    api, certificate = ApiServer(Settings(rbac=True)), self_signed(stage.address)
    with Server(api, stage.open(), certificate.context()) as server:
        _let_in(stage, api, server, certificate)
        with Control(str(stage.control), Deeds(api, server).answer):
            signal.sigwait({signal.SIGTERM, signal.SIGINT})


def _let_in(stage: Stage, api: ApiServer, server: Server, certificate: Certificate) -> None:
    token = api.tokens.add(ADMIN)
    write_kubeconfig(stage.kubeconfig, server.url, token=token, authority=certificate.certificate)


def _told(call: CallRecord) -> str:
    ignored = f", ignored parameters {', '.join(call.unknown)}" if call.unknown else ""
    return f"{call.user}: {call.name} {call.target.name}: {call.status} {call.reason}{ignored}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
