"""T20: container ids of every length that is allowed, and none beyond; no id leads out of the state directory."""

import os

import pytest

from terway_edge.core.errors import INVALID_ENVIRONMENT
from tests.system.machine import until
from tests.system.pictures import holders, picture

pytestmark = [pytest.mark.root, pytest.mark.slow]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
LENGTHS = range(1, 254) if FULL else (1, 2, 64, 253)
BAD = [
    "x" * 254,
    "x" * 4096,
    "../x",
    "..",
    ".",
    "/",
    "a/b",
    "-a",
    "_a",
    ".a",
    "a\n",
    "a b",
    "a:b",
    "\u00e4",
    b"a\xff",
    "%d",
]
UP = "../" * 12


@pytest.fixture
def machine(shared):
    return shared


def test_t20_every_length_is_served_and_one_more_is_refused(machine):
    pod = machine.new_pod()
    for length in LENGTHS:
        for text in ("x" * length, ("0Aa_.-" * 50)[:length]):
            status, result = machine.cni("ADD", pod, text)
            assert status == 0, (length, result)
            assert machine.cni("CHECK", pod, text) == (0, None)
            assert holders(machine) == [text]
            assert machine.cni("DEL", pod, text) == (0, None)
            until(lambda: not machine.links(), "the link is unplugged")
    before = picture(machine, pod)
    for text in BAD:
        for command in ("ADD", "CHECK", "DEL"):
            status, error = machine.cni(command, pod, os.fsencode(text))
            assert (status, error["code"]) == (1, INVALID_ENVIRONMENT), (command, text, error)
            assert "CNI_CONTAINERID" in error["msg"]
    assert picture(machine, pod) == before


def test_t20_long_ids_that_differ_at_the_end_are_two(machine):
    one, two = machine.new_pod(), machine.new_pod()
    ids = ["x" * 252 + end for end in "ab"]
    addresses = []
    for pod, text in zip((one, two), ids, strict=True):
        status, result = machine.cni("ADD", pod, text)
        assert status == 0, result
        addresses.append(result["ips"][0]["address"].split("/")[0])
    assert len(set(machine.links())) == len(set(addresses)) == 2
    machine.kill()
    machine.start()
    assert set(holders(machine)) == set(ids)
    assert machine.cni("DEL", one, ids[0]) == (0, None)
    until(lambda: len(machine.links()) == 1, "the link is unplugged")
    assert machine.pings(machine.peer, addresses[1])


def test_t20_without_an_agent_a_del_stays_in_the_spool_whatever_its_id(machine):
    machine.kill()
    before = {path for path in machine.directory.rglob("*") if path.parent.name != "spool"}
    evil = [f"{UP}tmp/evil-{os.getpid()}", "../evil", "/evil", "..", "a\nb", "x" * 4096]
    for text in evil:
        assert machine.cni("DEL", "", text) == (0, None)
    assert {path for path in machine.directory.rglob("*") if path.parent.name != "spool"} == before
    spool = machine.directory / "state" / "spool"
    names = [path.name for path in spool.glob("*.del")]
    assert len(names) == len(evil)
    assert all(name.isascii() and len(name) == 36 for name in names)
    assert not os.path.lexists(f"/tmp/evil-{os.getpid()}")
    machine.start()
    assert not list(spool.glob("*.del")), "what no agent could carry out is dropped"
    assert machine.log.read_text(errors="replace").count("dropped a spooled call") == len(evil)
