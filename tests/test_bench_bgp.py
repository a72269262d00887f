"""The parts of the BGP bench that need no router: all contestants must be given the same routes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.bgp_contestants import bird
from benchmarks.bgp_lan import updates_received
from benchmarks.bgp_load import Load, groups, routes
from benchmarks.bgp_trials import family
from terway_edge.core.addresses import Address, Prefix

LOADS = [Load(6, 6), Load(1000, 240), Load(300, 1)]


def expected(load: Load) -> dict[str, str]:
    return {str(Prefix(4, prefix, 24)): str(Address(4, hop)) for prefix, hop in routes(load)}


def test_next_hops_take_turns_within_the_lan() -> None:
    assert expected(Load(4, 3)) == {
        "20.0.0.0/24": "10.98.1.0",
        "20.0.1.0/24": "10.98.1.1",
        "20.0.2.0/24": "10.98.1.2",
        "20.0.3.0/24": "10.98.1.0",
    }
    assert list(expected(Load(100_000, 240)))[-1] == "21.134.159.0/24"
    assert Prefix.parse("10.98.0.0/15").contains(Address.parse(list(expected(Load(100_000, 100_000)).values())[-1]))


@pytest.mark.parametrize("load", LOADS)
def test_groups_are_the_same_routes(load: Load) -> None:
    grouped = list(groups(load))
    assert len(grouped) == len(dict(grouped)) == load.next_hops
    assert {prefix: hop for hop, prefixes in grouped for prefix in prefixes} == expected(load)


@pytest.mark.parametrize("load", LOADS)
def test_bird_is_given_the_same_routes(load: Load, tmp_path: Path) -> None:
    bird(load, tmp_path)
    lines = (tmp_path / "routes.conf").read_text().splitlines()
    assert len(lines) == load.prefixes
    assert dict(re.findall(r"^route (\S+) via (\S+);$", "\n".join(lines), re.MULTILINE)) == expected(load)


@pytest.mark.parametrize("load", LOADS)
def test_exabgp_is_given_the_same_routes(load: Load) -> None:
    command = [sys.executable, "-m", "benchmarks.bgp_feed", str(load.prefixes), str(load.next_hops)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent) as feed:
        assert feed.stdout is not None
        lines = [feed.stdout.readline().split() for _ in range(load.next_hops)]
        feed.terminate()
    assert all(words[:3] == ["announce", "attributes", "next-hop"] and words[4] == "nlri" for words in lines)
    assert {prefix: words[3] for words in lines for prefix in words[5:]} == expected(load)


def test_one_update_per_next_hop_and_per_thousand_prefixes_is_enough() -> None:
    assert Load(100_000, 240).most_updates == 340


def test_ends_of_rib_are_no_updates() -> None:
    neighbours = {"10.98.0.2": {"messageStats": {"updatesRecv": 242, "totalRecv": 246}}}
    assert updates_received(neighbours) == 240


def test_family_is_a_process_with_all_descendants() -> None:
    command = ["sh", "-c", "sh -c 'echo $$; read line; true'; true"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert list(family(parent.pid)) == [parent.pid, child]
        assert list(family(child)) == [child]
        parent.stdin.close()
