"""What a backend's own tests need: a stateful twin of the kernel; clock, store, firewall, events, statuses and
annotations in memory.

Nothing here is imported by the agent. `FakeKernel` runs the same contract tests as the real kernel port
(tests/kernel/test_contract.py), so that what a plugin does to it, it does to Linux.
"""

from terway_edge.testing.annotations import MemoryAnnotations
from terway_edge.testing.clock import FakeClock
from terway_edge.testing.events import RecordedEvents
from terway_edge.testing.fake_kernel import FakeKernel
from terway_edge.testing.fake_trace import Fate, Trace
from terway_edge.testing.memory_firewall import MemoryFirewall
from terway_edge.testing.memory_store import MemoryStore
from terway_edge.testing.statuses import RecordedStatuses

__all__ = [
    "FakeClock",
    "FakeKernel",
    "Fate",
    "MemoryAnnotations",
    "MemoryFirewall",
    "MemoryStore",
    "RecordedEvents",
    "RecordedStatuses",
    "Trace",
]
