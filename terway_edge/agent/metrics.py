"""Prometheus metrics and health over HTTP, on loopback by default; imported only where that is enabled.

/metrics: what follows; /healthz: 200 while the process serves; /readyz: 200 if an ADD could be served, else 503 and
the reason.
"""

from __future__ import annotations

import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from terway_edge.agent.conditions import Conditions
from terway_edge.agent.telemetry import BUCKETS, Telemetry
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import RouteSet

log = logging.getLogger(__name__)


class AgentCollector(Collector):
    """Turns numbers into metric families when asked; until then nothing is spent on them."""

    def __init__(
        self, telemetry: Telemetry, ipam: Ipam, routes: Callable[[], RouteSet], conditions: Conditions
    ) -> None:
        self._telemetry = telemetry
        self._ipam = ipam
        self._routes = routes
        self._conditions = conditions

    def collect(self) -> Iterator[Metric]:
        calls = CounterMetricFamily(
            "terway_edge_cni_calls", "CNI calls by command and error code (0: success)", labels=["command", "code"]
        )
        for (command, code), count in list(self._telemetry.calls.items()):
            calls.add_metric([command, str(code)], count)
        yield calls
        yield self._times()
        repairs = CounterMetricFamily("terway_edge_repairs", "Things others broke and we mended", labels=["kind"])
        for kind, count in list(self._telemetry.repairs.items()):
            repairs.add_metric([kind], count)
        yield repairs
        yield GaugeMetricFamily("terway_edge_leases", "Sandboxes that hold addresses", value=len(self._ipam.leases()))
        yield self._pools()
        routes = self._routes()
        yield GaugeMetricFamily("terway_edge_routes", "Routes this node should have", value=len(routes.routes))
        conditions = len(self._conditions.all())
        yield GaugeMetricFamily("terway_edge_conditions", "Things an operator should look at", value=conditions)

    def _times(self) -> Metric:
        family = HistogramMetricFamily("terway_edge_cni_seconds", "Time of CNI calls in the agent", labels=["command"])
        for command, times in list(self._telemetry.times.items()):
            total, buckets = 0, []
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), times.counts, strict=True):
                total += count
                buckets.append((bound, float(total)))
            family.add_metric([command], buckets, times.total)
        return family

    def _pools(self) -> Metric:
        family = GaugeMetricFamily("terway_edge_pool_addresses", "Addresses by state", labels=["pool", "state"])
        for pool in self._ipam.pools():
            usage = self._ipam.usage(pool)
            for state in ("free", "used", "cooling", "reserved"):
                family.add_metric([pool, state], getattr(usage, state))
        return family


class MetricsServer:
    """Serves from a thread of its own until closed. Raises OSError if the address cannot be listened on."""

    def __init__(self, address: str, port: int, registry: CollectorRegistry, ready: Callable[[], str]) -> None:
        handler = type("Handler", (_Handler,), {"registry": registry, "ready": staticmethod(ready)})
        self._server = _Server((address, port), handler)
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._closed = True
        self._server.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread, whose accept() then fails
        self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        """Unlike serve_forever(), which looks twice a second whether it should end, this sleeps until called."""
        while not self._closed:
            self._server.handle_request()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # The base class looks its own host name up, which may ask a name server that is not there.
        socketserver.TCPServer.server_bind(self)


class _Handler(BaseHTTPRequestHandler):
    registry: CollectorRegistry
    ready: Callable[[], str]
    timeout = 5

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._answer(200, generate_latest(self.registry), CONTENT_TYPE_LATEST)
        elif self.path == "/healthz":
            self._answer(200, b"ok\n")
        elif self.path == "/readyz":
            why_not = self.ready()
            self._answer(503 if why_not else 200, f"{why_not or 'ok'}\n".encode())
        else:
            self._answer(404, b"paths are /metrics, /healthz and /readyz\n")

    def _answer(self, code: int, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        log.debug("http: " + format, *args)
