"""Sessions as Prometheus metrics, made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from terway_edge.backends.bgp.fsm import State
from terway_edge.backends.bgp.peering import SessionState

LABELS = ("peer", "speaker", "address")


class BgpCollector(Collector):
    def __init__(self, node: str, states: Callable[[], Iterable[SessionState]]) -> None:
        self._node = node
        self._states = states

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("terway_edge_bgp_session_up", "1 while the session is established", labels=LABELS)
        announced = GaugeMetricFamily(
            "terway_edge_bgp_announced_prefixes", "Prefixes that the peer knows of us", labels=LABELS
        )
        received = GaugeMetricFamily(
            "terway_edge_bgp_received_prefixes", "Prefixes that the peer announces; none is used", labels=LABELS
        )
        flaps = CounterMetricFamily("terway_edge_bgp_session_flaps", "How often the session was lost", labels=LABELS)
        for state in self._states():
            labels = (state.spec.name, self._node, str(state.spec.address))
            up.add_metric(labels, float(state.state is State.ESTABLISHED))
            announced.add_metric(labels, state.announced)
            received.add_metric(labels, state.received)
            flaps.add_metric(labels, state.flaps)
        yield from (up, announced, received, flaps)
