"""What a lab run found out, filled in as the run goes on."""

from __future__ import annotations

from dataclasses import dataclass, field

from terway_edge.lab.acts import Act
from terway_edge.lab.api_server import ApiReport
from terway_edge.lab.cloud_process import CloudReport
from terway_edge.lab.learned import Learned
from terway_edge.lab.pings import Answer
from terway_edge.lab.pods import LabPod
from terway_edge.lab.routes import RouteTable
from terway_edge.lab.services import Call
from terway_edge.lab.sessions import Session
from terway_edge.lab.steps import Steps
from terway_edge.lab.way import Applied
from terway_edge.lab.written import Written


@dataclass(slots=True)
class Outcome:
    """`added` has the pods and the ms that their ADDs took.

    `applied` are the plan's routes, `cloud` is the cloud at the end. `foreign` counts packets that it threw away for
    their source, without the lab's own `spoofs`: (network, sent, dropped).

    `written` is what agents wrote to the API, `api` is its server at the end; empty and None without.

    `changes` are seconds from a node's coming or going until all kernels knew, by what was waited for.
    """

    steps: Steps
    nodes: int = 0
    added: list[tuple[LabPod, float]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    tables: list[RouteTable] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    learned: list[Learned] = field(default_factory=list)
    changes: dict[str, float | None] = field(default_factory=dict)
    applied: list[Applied] = field(default_factory=list)
    cloud: CloudReport | None = None
    foreign: int = 0
    spoofs: list[tuple[str, int, int]] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    api: ApiReport | None = None
    acts: list[Act] = field(default_factory=list)
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        return self.steps.ok and not self.interrupted

    def pod_added(self, pod: LabPod, milliseconds: float) -> None:
        """Nodes add pods side by side; the pods stay in the order of their nodes and numbers."""
        self.added.append((pod, milliseconds))
        self.added.sort(key=lambda entry: (entry[0].node.index, entry[0].number))

    @property
    def sent(self) -> int:
        return sum(answer.sent for answer in self.answers)

    @property
    def lost(self) -> int:
        return sum(answer.lost for answer in self.answers)
