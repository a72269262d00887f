"""Many threads share one client."""

from __future__ import annotations

import threading
import time

import pytest

from terway_edge.agent.clock import BootClock
from terway_edge.cloud.limits import InstanceTypes
from terway_edge.cloud.opening import Surroundings, open_ecs
from terway_edge.cloud.settings import CloudSettings
from terway_edge.core.cloud import AddressWish, CloudError, EniWish
from terway_edge.testing.openapi import Emulator, Script, Server, listen
from tests.cloud.rig import KEY, local


@pytest.mark.parametrize("losses", [0.0, 0.15], ids=["without faults", "with losses"])
def test_eight_threads_get_what_is_theirs(site, losses):
    faults = [{"action": "*", "kind": "drop", "when": when, "probability": losses} for when in ("before", "after")]
    emulator = Emulator(site, faults=Script.model_validate({"faults": faults if losses else []}))
    clock = BootClock()
    with Server(emulator, listen()) as server:
        around = Surroundings(clock, lambda seconds: time.sleep(seconds / 50), environ=KEY)
        ecs = open_ecs(CloudSettings(**local(server.endpoint)), around, InstanceTypes(), clock.now() + 5)
        owned: dict[str, set[object]] = {}
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                wish = EniWish(f"intent-{number}", "vsw-h", ("sg-1",), tags={"thread": str(number)})
                made = ecs.create_eni(wish, clock.now() + 60)
                added = ecs.assign(AddressWish(f"more-{number}", made.id, ipv4=4), clock.now() + 60)
                ecs.unassign(made.id, added[:1], clock.now() + 60)
                (found,) = ecs.find_enis(clock.now() + 60, tags={"thread": str(number)})
                assert set(found.addresses) == {made.primary, *added[1:]}
                owned[made.id] = set(found.addresses)
            except (CloudError, AssertionError, ValueError) as error:  # shown by the test's own thread
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ecs.close()
    assert failures == []
    assert len(owned) == 8
    assert len(set.union(*owned.values())) == 32
    assert emulator.violations() == []
