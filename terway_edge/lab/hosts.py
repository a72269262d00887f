"""Whatever runs an agent and has pods."""

from __future__ import annotations

from terway_edge.lab.clouds import CloudNode
from terway_edge.lab.lans import LabNode

Host = LabNode | CloudNode
