"""Numbers of the control plane, and whether it is fit to lead; read by a thread of the metrics' server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from terway_edge.controlplane.leadership import Leadership
    from terway_edge.controlplane.reign import Controller, Reign

DEAF = 60.0  # seconds without an answer of the API after which a candidate is not ready


class Gauges:
    """A collector of `prometheus_client`."""

    def __init__(self) -> None:
        self._leadership: Leadership | None = None
        self._now: Callable[[], float] = lambda: 0.0
        self._reign: Reign | None = None
        self._controllers: Sequence[Controller] = ()

    def follow(self, leadership: Leadership, now: Callable[[], float]) -> None:
        self._leadership, self._now = leadership, now

    def reign(self, reign: Reign, controllers: Sequence[Controller]) -> None:
        """The newest."""
        self._reign, self._controllers = reign, controllers

    def why_not_ready(self) -> str:
        """Empty if it leads, or could."""
        leadership = self._leadership
        if leadership is None or self._now() > leadership.heard_at + DEAF:
            return "the Kubernetes API does not let it see the Lease; the log says why"
        return ""

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

        leads = self._leadership is not None and self._leadership.leads
        yield GaugeMetricFamily("terway_edge_controlplane_leader", "1 if this process leads", value=float(leads))
        failures = CounterMetricFamily(
            "terway_edge_controlplane_failures", "Turns of controllers that failed", labels=["controller"]
        )
        for controller in self._controllers:
            count = self._reign.failures[controller.name] if self._reign else 0
            failures.add_metric([controller.name], count)
        yield failures
        for name, text in (
            ("starving", "Nodes that should get a pod CIDR and cannot"),
            ("orphans", "ENIs that lost their instance, at the last look"),
        ):
            value = sum(getattr(controller, name, 0) for controller in self._controllers) if leads else 0
            yield GaugeMetricFamily(f"terway_edge_controlplane_{name}", text, value=value)
