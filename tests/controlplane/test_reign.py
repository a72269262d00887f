"""Controllers do not depend on one another."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from terway_edge.cluster.api.library import open_client
from terway_edge.cluster.api.timing import Timing
from terway_edge.cluster.api.transport import Transport
from terway_edge.controlplane.following import Following, World
from terway_edge.controlplane.reign import Reign
from terway_edge.testing.apiserver import Server, listen, write_kubeconfig
from tests.controlplane.world import cluster, put_node

FAST = Timing(first_pause=0.05, longest_pause=0.05, list_gap=0.0, spread=0.02, short_lived=0.0)


@dataclass(eq=False)
class Turns:
    """A controller that notes what it sees, or has a mistake."""

    name: str
    mistake: Exception | None = None
    worlds: list[World] = field(default_factory=list)

    async def turn(self, world: World, now: float) -> float:
        self.worlds.append(world)
        if self.mistake is not None:
            raise self.mistake
        return 60.0


def test_a_mistake_in_one_controller_is_tried_again_and_holds_up_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api = cluster("n1")
    bad, good = Turns("bad", KeyError("localSpeakers")), Turns("good")

    async def lead(url: str) -> Reign:
        write_kubeconfig(tmp_path / "kubeconfig", url)
        transport = Transport(lambda: open_client(tmp_path / "kubeconfig", "test"), FAST)
        following = Following(transport, FAST, lambda: reign.on_change(), has_enis=False)
        reign = Reign(following, [bad, good], FAST, asyncio.get_running_loop().time)
        task = asyncio.create_task(reign.run())
        async with asyncio.timeout(15):
            while not (good.worlds and len(bad.worlds) >= 3):
                await asyncio.sleep(0.01)
            put_node(api, "n2")
            while "n2" not in good.worlds[-1].nodes:
                await asyncio.sleep(0.01)
        assert not task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await transport.close()
        return reign

    with Server(api, listen()) as server:
        reign = asyncio.run(lead(server.url))
    assert reign.failures["bad"] >= 3
    assert reign.failures["good"] == 0
    assert "bad: this should not happen" in caplog.text
    assert len(api.log.calls("list nodes")) == 1, "nothing is listed anew for it"
