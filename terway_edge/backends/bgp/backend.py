"""The hooks of the bgp advertiser: from views of the cluster to wishes of the speaker, from edges to what people see.

All that changes is owned by the speaker's thread; `advertise` leaves the newest view and wakes it.
"""

from __future__ import annotations

import logging
import random
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from terway_edge.backends.bgp import memory
from terway_edge.backends.bgp.answers import Picture, answer
from terway_edge.backends.bgp.failures import Failure
from terway_edge.backends.bgp.peer_spec import PeerSpec
from terway_edge.backends.bgp.peering import Edge, Surroundings
from terway_edge.backends.bgp.planner import Plan, Planner, farewell
from terway_edge.backends.bgp.speaker import Speaker
from terway_edge.backends.bgp.status import conditions_of, details_of, status_entry
from terway_edge.backends.bgp.suspicion import suspected
from terway_edge.backends.bgp.targets import Targets, targets
from terway_edge.backends.bgp.telling import WINDOW, Telling
from terway_edge.backends.bgp.transport import TcpNetwork, unsigned_segments
from terway_edge.core.context import BackendContext
from terway_edge.core.dispatcher import explain
from terway_edge.core.errors import Retry
from terway_edge.core.hookspecs import hookimpl
from terway_edge.core.models import Condition, NodeView, Report, RouteSet, StopReason
from terway_edge.core.ports import StatusEntry

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from terway_edge.core.addresses import Address
    from terway_edge.core.secret import Secret

log = logging.getLogger(__name__)

NAME = "bgp"
MakeSpeaker = Callable[[Surroundings, Callable[[], float], int], Speaker]

REWRITE_AFTER = 5.0  # seconds between two writes of what was announced: flash wears out


class Bgp:
    """Announces the pod CIDRs that BGPPeers naming this node as speaker ask for."""

    uninstall_within = 15.0
    """Seconds that peers have, at an uninstallation, to hear that all is over."""

    def __init__(self, context: BackendContext, make_speaker: MakeSpeaker = Speaker) -> None:
        """:param make_speaker: a test's own may use another network, and no thread."""
        self._context = context
        self._make_speaker = make_speaker
        self._directory: Path = context.settings.state_dir
        self._speaker: Speaker | None = None
        self._planner: Planner | None = None
        self._telling = Telling(context.node_name)
        self._passwords: dict[str, Secret] = {}
        # Written by one thread each, read by all; each is replaced as a whole.
        self._latest: tuple[RouteSet, NodeView] | None = None
        self._plan = Plan((), (), {})
        self._error = ""
        self._unsaved = ""
        self._boot_id = ""
        self._saved: memory.Peers = {}
        self._saved_at = -REWRITE_AFTER
        self._again_at: float | None = None
        self._unsigned = 0

    # --- life -----------------------------------------------------------------------------------------------------

    @hookimpl
    def terway_edge_stop(self, reason: StopReason) -> None:
        """An upgrade ends every session without a word, so that peers keep the routes; an uninstall takes leave."""
        if reason is StopReason.UNINSTALL:
            self._take_leave()
        elif self._speaker is not None:
            self._speaker.call(self._save_now)
            self._speaker.close()

    # --- routes ---------------------------------------------------------------------------------------------------

    @hookimpl
    def terway_edge_advertise(self, routes: RouteSet, view: NodeView) -> None:
        self._latest = routes, view
        if self._speaker is None:
            before = memory.load(self._directory)
            if NAME not in view.selection.advertisers and not before.peers:
                return  # not a node of ours, and never was
            self._begin(before)
        assert self._speaker is not None
        self._speaker.call(self._replan)

    @hookimpl
    def terway_edge_report(self) -> Report:
        states = self._speaker.states if self._speaker else ()
        failing = conditions_of(self._context.node_name, states)
        conditions = (*self._plan.conditions, *failing, *self._own_errors())
        is_settled = all(state.is_settled for state in states)
        return Report(NAME, is_settled and not conditions, conditions, details_of(states))

    # --- extensions -----------------------------------------------------------------------------------------------

    @staticmethod
    @hookimpl
    def terway_edge_cli(parser: ArgumentParser) -> None:
        from terway_edge.backends.bgp.cli import add_commands

        add_commands(parser)

    @hookimpl
    def terway_edge_query(self, words: Sequence[str]) -> dict[str, Any]:
        return answer(self._picture(), words)

    @hookimpl
    def terway_edge_metrics(self, registry: CollectorRegistry) -> None:
        from terway_edge.backends.bgp.metrics import BgpCollector

        registry.register(BgpCollector(self._context.node_name, lambda: self._speaker.states if self._speaker else ()))

    # --- the speaker's thread -------------------------------------------------------------------------------------

    def _begin(self, before: memory.Remembrance) -> None:
        settings = self._context.settings.bgp
        self._boot_id = memory.boot_id()
        self._saved = before.peers if before.boot_id == self._boot_id else {}  # to be written with the new one
        for remembered in before.peers.values():
            if remembered.spec.password is not None:
                self._passwords[remembered.spec.name] = remembered.spec.password
        self._planner = Planner(
            before, self._boot_id, shrink_percent=settings.shrink_percent, hold_back=settings.hold_back_seconds
        )
        self._unsigned = unsigned_segments()
        self._speaker = self._new_speaker(self._on_edge)
        self._speaker.start()

    def _new_speaker(self, tell: Callable[[Edge], None]) -> Speaker:
        settings = self._context.settings.bgp
        around = Surroundings(
            TcpNetwork(),
            tell,
            lambda pause: pause * random.uniform(0.75, 1.0),  # RFC 4271, section 10
            settings.max_received_prefixes,
            settings.on_max_received == "cease",
            self._suspected,
        )
        return self._make_speaker(around, self._context.clock.now, settings.listen_port)

    def _replan(self) -> None:
        """From the newest view to the speaker's wishes; what is to be told first gets on disk."""
        try:
            self._plan_and_want()
        except Exception as error:
            self._error = explain(error)
            log.exception("bgp: the cluster's newest state was not carried out; the sessions go on as they are")
        else:
            self._error = ""

    def _plan_and_want(self) -> None:
        assert self._latest is not None
        assert self._planner is not None
        assert self._speaker is not None
        routes, view = self._latest
        found = targets(view, self._passwords) if NAME in view.selection.advertisers else Targets(())
        now = self._context.clock.now()
        unclear = found.unclear if view.peers_in_sync else self._planner.memory.keys() | found.unclear
        plan = self._planner.plan(found.targets, now, in_sync=routes.in_sync, is_live=view.is_live, unclear=unclear)
        is_new = any(
            address not in self._saved or self._saved[address].spec != remembered.spec
            for address, remembered in plan.memory.items()
        )
        before = self._wanted
        self._plan = plan._replace(conditions=(*plan.conditions, *found.conditions))
        for name in set(before.values()) - set(self._wanted.values()):
            self._remove_status(name)
        self._save(now, at_once=is_new)
        self._speaker.want(plan.wishes)
        if plan.again_at not in (None, self._again_at):
            self._again_at = plan.again_at
            self._speaker.call_at(plan.again_at, self._replan)
        self._speaker.call_at(now, self._write_status)

    def _on_edge(self, edge: Edge) -> None:
        now = self._context.clock.now()
        assert self._speaker is not None
        event = self._telling.event(edge, now)
        if event is not None:
            self._context.events.emit(event)
        else:
            self._speaker.call_at(now + WINDOW, self._tell_overdue)
        if edge.is_gone:
            self._forget(edge.spec)
        self._speaker.call_at(now, self._write_status)  # once the states tell of it

    def _tell_overdue(self) -> None:
        for event in self._telling.overdue(self._context.clock.now()):
            self._context.events.emit(event)

    def _forget(self, spec: PeerSpec) -> None:
        """A peer was left for good; a newer plan may want it again already."""
        assert self._planner is not None
        if spec.address in self._wanted:
            return
        self._planner.left(spec.address)
        self._plan = self._plan._replace(memory=self._planner.memory)
        self._save_now()
        if spec.name not in self._wanted.values():
            self._remove_status(spec.name)

    @property
    def _wanted(self) -> dict[Address, str]:
        """The peers that should be spoken to for longer than a farewell, and their names."""
        return {wish.spec.address: wish.spec.name for wish in self._plan.wishes if not wish.rebirth.is_farewell}

    def _suspected(self, spec: PeerSpec, failure: Failure) -> Failure:
        before, self._unsigned = self._unsigned, unsigned_segments()
        uplink = self._latest[1].uplink if self._latest else None
        is_on_link = any(network.contains(spec.address) for network in uplink.on_link) if uplink else False
        return suspected(failure, spec, is_on_link=is_on_link, new_unsigned=max(self._unsigned - before, 0))

    # --- what stays and what is seen ------------------------------------------------------------------------------

    def _save_now(self) -> None:
        self._save(self._context.clock.now(), at_once=True)

    def _save(self, now: float, *, at_once: bool) -> None:
        """Without `at_once` not more often than REWRITE_AFTER; what is not written now is with a later plan."""
        known = self._plan.memory
        if known == self._saved or not (at_once or now - self._saved_at >= REWRITE_AFTER):
            return
        try:
            memory.save(self._directory, memory.Remembrance(self._boot_id, known))
        except OSError as error:
            why = error.strerror or str(error)
            if why != self._unsaved:
                log.error("%s/%s cannot be written: %s", self._directory, memory.FILE, why)
            self._unsaved = why
        else:
            self._saved, self._saved_at, self._unsaved = known, now, ""

    def _write_status(self) -> None:
        """Of peers that are spoken to; an earlier process may have left an entry of one that is not, now."""
        picture, wall, wanted = self._picture(), datetime.now(UTC), self._wanted
        for state in picture.states:
            if state.spec.address in wanted:
                value = status_entry(picture, state, wall)
                self._context.statuses.write_status(StatusEntry("BGPPeer", state.spec.name, picture.node, value))
        for peer in picture.view.peers if picture.view else ():
            if picture.node in peer.spec.local_speakers and peer.name not in wanted.values():
                self._remove_status(peer.name)

    def _remove_status(self, name: str) -> None:
        self._context.statuses.write_status(StatusEntry("BGPPeer", name, self._context.node_name, None))

    def _picture(self) -> Picture:
        return Picture(
            self._context.node_name,
            self._context.clock.now(),
            self._speaker.states if self._speaker else (),
            self._plan,
            self._latest[1] if self._latest else None,
            self._context.settings.routes.edge_cidrs,
        )

    def _own_errors(self) -> Iterator[Condition]:
        node = self._context.node_name
        if self._error:
            yield Condition("BGPFailed", node, f"{self._error}; the sessions go on as they are")
        if self._unsaved:
            path = self._directory / memory.FILE
            text = f"{path} cannot be written: {self._unsaved}; until then a restart may cost routes: make room"
            yield Condition("BGPMemoryFailed", node, text)

    # --- uninstallation -------------------------------------------------------------------------------------------

    def _take_leave(self) -> None:
        """Of every peer that an agent of this node told something. Raises Retry, naming those it could not tell."""
        if self._speaker is not None:
            self._speaker.close()
        peers = memory.load(self._directory).peers
        if not peers:
            return
        gone: SimpleQueue[Edge] = SimpleQueue()
        speaker = self._new_speaker(gone.put)
        speaker.start()
        speaker.want([farewell(remembered) for remembered in peers.values()])
        left = dict(peers)
        deadline = self._context.clock.now() + self.uninstall_within
        while left and (remaining := deadline - self._context.clock.now()) > 0:
            try:
                edge = gone.get(timeout=remaining)
            except Empty:
                break
            if edge.is_gone:
                left.pop(edge.spec.address, None)
        speaker.close()
        for remembered in peers.values():
            self._remove_status(remembered.spec.name)
        memory.save(self._directory, memory.Remembrance())
        if left:
            names = ", ".join(map(str, left))
            raise Retry(f"{names} could not be told that this speaker is gone and may keep its routes for a while")
