"""The cloud of the lab, a process of its own: `python -m terway_edge.testing.lab_cloud FILE`.

It serves the OpenAPI emulator and instance metadata inside the lab's namespaces, makes on the links of nodes true what
it does to ENIs, and answers the lab on a socket: a question is one line of JSON, `{"report": true}` or
`{"faults": SCRIPT}`, and so is the answer.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from terway_edge.core.config import Section
from terway_edge.core.fields import AbsolutePath
from terway_edge.lab.processes import MARK, Processes
from terway_edge.testing.lab_control import Control
from terway_edge.testing.lab_listener import Listener
from terway_edge.testing.lab_wires import Place, Wires
from terway_edge.testing.openapi import Emulator, Script, Server, Site


class Stage(Section):
    """All that the process needs to know; `places` are by instance, `control` is where the lab's questions come."""

    site: Site
    places: dict[str, Place]
    listeners: tuple[Listener, ...]
    control: AbsolutePath


def main(path: Path) -> None:
    """Serve until SIGTERM. Raises ConfigError or LabError if that cannot begin."""
    stage = Stage.model_validate_json(path.read_text())
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    wires = Wires(stage.places, Processes(os.environ[MARK]))
    emulator = Emulator(stage.site, observer=wires)
    for eni in emulator.enis():
        wires.on_attached(eni.instance, eni)
    with ExitStack() as stack:
        for each in stage.listeners:
            stack.enter_context(Server(emulator, each.open()))
        stack.enter_context(Control(str(stage.control), lambda question: answer(question, emulator, wires)))
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


def answer(question: dict[str, Any], emulator: Emulator, wires: Wires) -> dict[str, Any]:
    if "faults" in question:
        emulator.load_faults(Script.model_validate(question["faults"]))
    return report(emulator, wires)


def report(emulator: Emulator, wires: Wires) -> dict[str, Any]:
    """What was called, what there is now, and what is wrong with it."""
    failed = Counter(call.code for call in emulator.log.calls() if call.code)
    return {
        "calls": dict(emulator.log.counts),
        "failed": dict(failed),
        "metadata_calls": emulator.metadata_log.total,
        "violations": emulator.violations(),
        "orphans": emulator.orphans({}),
        "enis": [
            {
                "id": eni.id,
                "instance": eni.instance,
                "type": eni.type,
                "status": eni.status,
                "vswitch": eni.vswitch,
                "mac": eni.mac,
                "link": wires.ports[eni.id].link if eni.id in wires.ports else "",
                "addresses": [str(address) for address in eni.ipv4],
            }
            for eni in emulator.enis()
        ],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
