"""T02: a process killed while it writes a file that no edge node without peers and API has: the old one or the new.

The points of all others are in tests/system/test_t02_killed_agents.py.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from terway_edge.backends.bgp import memory
from terway_edge.backends.bgp.memory import Remembered, Remembrance
from terway_edge.backends.bgp.peer_spec import PeerSpec
from terway_edge.cluster.api.cache import Cache
from terway_edge.core.addresses import Address
from terway_edge.core.failpoints import NAMES, arm
from terway_edge.eni.intents import IntentsFile, Memory
from tests.failpoints import FailpointFile, for_root

ADDRESS = Address.parse("192.0.2.1")


def write_bgp(directory: Path, text: str) -> None:
    spec = PeerSpec(text, ADDRESS, Address.parse("192.0.2.2"), 64512, 64513, 1)
    memory.save(directory, Remembrance("boot", {ADDRESS: Remembered(spec, ())}))


def read_bgp(directory: Path) -> str:
    return memory.load(directory).peers[ADDRESS].spec.name


def write_eni(directory: Path, text: str) -> None:
    IntentsFile(directory).save(Memory(gone=((text, 1.0),)))


def read_eni(directory: Path) -> str:
    return IntentsFile(directory).load(2.0).gone[0][0]


def write_cache(directory: Path, text: str) -> None:
    assert Cache(directory).write("ConfigMap", [b'{"metadata":{"name":"%b"},"data":{}}' % text.encode()])


def read_cache(directory: Path) -> str:
    (item,) = Cache(directory).read("ConfigMap").items or ()
    return str(item.name)


FILES = {"bgp": (write_bgp, read_bgp), "eni": (write_eni, read_eni), "cache": (write_cache, read_cache)}
POINTS = [name for name in NAMES if name.split(".")[0] in FILES]


@for_root
@pytest.mark.parametrize("name", POINTS)
def test_t02_a_killed_writer_leaves_the_old_file_or_the_new(tmp_path: Path, name: str) -> None:
    file, _, moment = name.partition(".")
    write, read = FILES[file]
    (tmp_path / "files").mkdir(mode=0o700)
    write(tmp_path / "files", "old")
    points = FailpointFile(tmp_path)
    points.write(f"{name} kill")
    child = os.fork()
    if child == 0:
        try:
            arm(points.environ)
            write(tmp_path / "files", "new")
        finally:
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert read(tmp_path / "files") == ("new" if moment.endswith("after") else "old")
    write(tmp_path / "files", "newest")
    assert read(tmp_path / "files") == "newest"
    assert len(list((tmp_path / "files").iterdir())) == 1, "and what was left beside it is gone"
