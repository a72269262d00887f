"""`terway-edge controlplane`: the process that does what a cluster needs once."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from terway_edge.cli.options import settings_of
from terway_edge.core.config import Settings

if TYPE_CHECKING:
    from terway_edge.agent.metrics import MetricsServer
    from terway_edge.controlplane.process import ControlPlane

log = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Raises ConfigError or Refused."""
    from terway_edge.agent.clock import BootClock
    from terway_edge.agent.clouds import AliyunClouds
    from terway_edge.agent.logs import set_up
    from terway_edge.controlplane import process

    settings = settings_of(arguments)
    set_up(settings.log.level, settings.log.format)
    clock = BootClock()
    return process.run(settings, AliyunClouds(settings, clock), clock, lambda plane: _serve(settings, plane))


def _serve(settings: Settings, plane: ControlPlane) -> MetricsServer | None:
    """Metrics and health as an agent has them."""
    if not settings.metrics.enabled:
        return None
    from prometheus_client import CollectorRegistry

    from terway_edge.agent.metrics import MetricsServer

    registry = CollectorRegistry()
    registry.register(plane.gauges)
    metrics = settings.metrics
    try:
        return MetricsServer(str(metrics.address), metrics.port, registry, plane.gauges.why_not_ready)
    except OSError as error:
        log.error("metrics: cannot listen on %s port %d: %s", metrics.address, metrics.port, error.strerror)
        return None
