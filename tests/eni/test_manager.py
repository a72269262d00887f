"""The manager with its threads, on the real clock: short waits on what must happen, never on time alone."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from terway_edge.agent.clock import BootClock
from terway_edge.core.cloud import AddressWish, Cause, CloudError, Limits
from terway_edge.core.errors import Retry
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Sandbox
from terway_edge.eni.keeper import Keeper
from terway_edge.eni.manager import Manager
from terway_edge.eni.policy import Policy, Site
from terway_edge.testing.cloud_faults import Fault
from terway_edge.testing.events import RecordedEvents
from terway_edge.testing.fake_cloud import ECS, INSTANCE, FakeCloud, Item
from terway_edge.testing.memory_store import MemoryStore
from tests.eni.rig import MemoryIntents

SOON = 10.0  # seconds; far more than needed, so that a busy machine is no failure


class Node:
    """A manager at work on a cloud with one ENI of so many addresses."""

    def __init__(
        self, addresses: int, limits: Limits, policy: Policy, *, cooldown: float = 30.0, pods: int = 0
    ) -> None:
        self.clock = BootClock()
        self.cloud = FakeCloud(self.clock, limits)
        if addresses:
            self.cloud.add_eni(addresses)
        lock = threading.Lock()
        self.ipam = Ipam(MemoryStore(), self.clock, cooldown=cooldown, max_pods=pods, lock=lock)
        self.policy = policy
        self.intents = MemoryIntents()
        self.site: Callable[[float], Site] = lambda _: Site(INSTANCE, limits, ECS)
        self.recall: Callable[[], Site | None] = lambda: None
        self.manager = self._manager()

    def _manager(self) -> Manager:
        return Manager(
            self.ipam,
            self.clock,
            lambda deadline: self.site(deadline),
            self._build,
            recall=lambda: self.recall(),
        )

    def restart(self) -> None:
        self.manager.close()
        self.manager = self._manager()

    def _build(self, site: Site, lock: AbstractContextManager[object]) -> Keeper:
        events, rng = RecordedEvents(), random.Random(1)
        return Keeper(lambda: self.cloud, self.ipam, self.clock, self.intents, events, self.policy, site, rng, lock)

    def await_(self, is_so: Callable[[], bool]) -> None:
        end, pause = self.clock.now() + SOON, threading.Event()
        while not is_so():
            assert self.clock.now() < end, "it did not come to that"
            pause.wait(0.005)

    def acquire(self, name: str, seconds: float = SOON) -> str:
        lease = self.manager.acquire(Sandbox(name, "eth0", pod_uid=name), "test", self.clock.now() + seconds)
        return str(lease.addresses[0])


@pytest.fixture
def make() -> Iterator[Callable[..., Node]]:
    nodes: list[Node] = []

    def build(
        addresses: int = 1,
        limits: Limits = Limits(2, 40),  # noqa: B008 - never changed
        policy: Policy = Policy(max_pool_size=0),  # noqa: B008 - never changed
        **more: float,
    ) -> Node:
        nodes.append(Node(addresses, limits, policy, **more))  # type: ignore[arg-type]
        return nodes[-1]

    yield build
    for node in nodes:
        node.manager.close()
    ours = [thread.name for thread in threading.enumerate() if thread.name.startswith("eni-")]
    assert ours == [], "a thread outlived its manager"


def ready(node: Node) -> Node:
    """At work, with the ENI adopted and its addresses there for pods."""
    node.manager.start()
    node.await_(lambda: node.ipam.pools())
    node.await_(lambda: node.cloud.made("find_enis") == 1)
    return node


def test_a_warm_pod_waits_for_no_call(make: Callable[..., Node]) -> None:
    node = ready(make(addresses=3, policy=Policy(max_pool_size=3)))
    before = node.cloud.made()
    assert len({node.acquire(f"pod-{n}", seconds=0.0) for n in range(3)}) == 3
    assert node.cloud.made() == before


def test_the_same_sandbox_has_the_same_lease(make: Callable[..., Node]) -> None:
    node = ready(make(addresses=3))
    assert node.acquire("pod") == node.acquire("pod")


def test_cold_pods_get_their_addresses_together(make: Callable[..., Node]) -> None:
    node = ready(make())
    with ThreadPoolExecutor(30) as pods:
        found = list(pods.map(node.acquire, [f"pod-{n}" for n in range(30)]))
    assert len(set(found)) == 30
    assert node.cloud.made("assign") <= 4
    assert node.manager.details()["waiting"] == 0


def test_a_floor_is_filled_again_without_anybody_waiting(make: Callable[..., Node]) -> None:
    node = ready(make(addresses=5, policy=Policy(min_pool_size=5, max_pool_size=5)))
    node.acquire("pod")
    node.await_(lambda: node.manager.details()["free"] == 5)


def test_a_deadline_ends_the_wait_and_says_why(make: Callable[..., Node]) -> None:
    node = ready(make(addresses=1))
    node.acquire("first")
    node.cloud.outage = Fault.THROTTLE
    with pytest.raises(Retry, match=r"^no address in time for container second: assign: throttle$"):
        node.acquire("second", seconds=0.5)
    node.cloud.outage = None
    node.await_(lambda: node.manager.details()["free"] == 1)  # stock for the next try
    assert node.acquire("second", seconds=0.0)


def test_who_cannot_be_served_is_told_at_once(make: Callable[..., Node]) -> None:
    node = ready(make(addresses=3, limits=Limits(2, 4)))
    with ThreadPoolExecutor(10) as pods:
        futures = [pods.submit(node.acquire, f"pod-{n}", 60.0) for n in range(10)]
        errors = [error for future in futures if (error := future.exception(SOON))]
    assert len(errors) == 6
    assert all("all 1 ENIs that this node may have are full" in str(error) for error in errors)
    assert {error.after for error in errors if isinstance(error, Retry)} == {10.0}


def test_who_only_waits_for_a_cool_down_is_told_how_long(make: Callable[..., Node]) -> None:
    node = ready(make(addresses=1, limits=Limits(2, 1)))
    node.acquire("first")
    node.manager.release(node.ipam.leases()[0])
    with pytest.raises(Retry, match=r"cool down after their last pod; the next is ready in (2\d|30)\.\d s") as caught:
        node.acquire("second", seconds=60.0)
    assert 20 < caught.value.after <= 30


def test_who_waits_for_the_cloud_may_be_served_by_an_address_that_has_rested(make: Callable[..., Node]) -> None:
    node = ready(make(addresses=1, cooldown=0.5))
    node.acquire("first")
    node.cloud.outage = Fault.THROTTLE
    node.manager.release(node.ipam.leases()[0])
    started = node.clock.now()
    assert node.acquire("second", seconds=60.0)
    assert node.clock.now() - started < SOON


def test_a_pod_may_have_its_own_address_again_at_once(make: Callable[..., Node]) -> None:
    node = ready(make(addresses=1, limits=Limits(2, 1)))
    first = node.acquire("pod")
    node.manager.release(node.ipam.leases()[0])
    assert node.acquire("pod", seconds=0.0) == first


def test_a_wait_that_nobody_wants_ends(make: Callable[..., Node]) -> None:
    node = ready(make(addresses=1))
    node.acquire("first")
    node.cloud.outage = Fault.THROTTLE
    nobody = threading.Event()
    sandbox, deadline = Sandbox("second", "eth0"), node.clock.now() + 60
    with ThreadPoolExecutor(1) as pods:
        waiting = pods.submit(node.manager.acquire, sandbox, "test", deadline, nobody.is_set)
        node.await_(lambda: node.cloud.made("assign") >= 1)
        nobody.set()
        with pytest.raises(Retry, match="nobody waits for an address of container second any more"):
            waiting.result(SOON)
    node.await_(lambda: node.manager.details()["waiting"] == 0)
    node.cloud.outage = None
    assert node.acquire("second")


def test_what_no_address_would_cure_is_told_at_once(make: Callable[..., Node]) -> None:
    node = ready(make(addresses=3, pods=1))
    node.acquire("first")
    with pytest.raises(Retry, match="this node has 1 pods of at most 1"):
        node.acquire("second", seconds=60.0)
    assert node.manager.details()["waiting"] == 0


def test_a_call_that_hangs_holds_up_nobody(make: Callable[..., Node], monkeypatch: pytest.MonkeyPatch) -> None:
    node = ready(make(addresses=3))
    real, begun, may_go_on = node.cloud.assign, threading.Event(), threading.Event()

    def hang(wish: AddressWish, deadline: float) -> tuple[Item, ...]:
        begun.set()
        assert may_go_on.wait(SOON)
        return real(wish, deadline)

    monkeypatch.setattr(node.cloud, "assign", hang)
    for number in range(3):
        node.acquire(f"pod-{number}")
    with ThreadPoolExecutor(1) as pods:
        cold = pods.submit(node.acquire, "cold")
        assert begun.wait(SOON)
        node.manager.release(node.ipam.leases()[0])
        assert node.manager.conditions() == []
        assert node.manager.standing().capacity == 40
        assert node.acquire("pod-1", seconds=0.0)
        may_go_on.set()
        assert cold.result(SOON)


def test_closing_ends_waits_and_threads(make: Callable[..., Node]) -> None:
    node = ready(make(addresses=1))
    node.acquire("first")
    node.cloud.outage = Fault.THROTTLE
    with ThreadPoolExecutor(1) as pods:
        waiting = pods.submit(node.acquire, "second", 60.0)
        node.await_(lambda: node.cloud.made("assign") >= 1)
        node.manager.close()
        with pytest.raises(Retry, match="the agent is stopping"):
            waiting.result(SOON)
    node.manager.close()


def test_until_the_instance_is_known_pods_wait_and_the_reason_is_told(make: Callable[..., Node]) -> None:
    node = make(addresses=1)

    def find(_: float) -> Site:
        raise CloudError("DescribeInstances: no answer", action="DescribeInstances", cause=Cause.UNAVAILABLE)

    node.site = find
    node.manager.start()
    node.await_(lambda: "no answer" in node.manager.conditions()[0].message)
    assert [condition.reason for condition in node.manager.conditions()] == ["InstanceUnknown"]
    assert node.manager.standing().capacity == 0
    with pytest.raises(Retry, match="DescribeInstances: no answer"):
        node.acquire("pod", seconds=0.1)


def test_leases_of_an_earlier_process_are_released_before_the_instance_is_known(make: Callable[..., Node]) -> None:
    node = make()
    node.ipam.add_pool("eni-old/4", addresses=[node.cloud.enis()["eni-primary"].primary])
    lease = node.ipam.allocate(Sandbox("old", "eth0"), "test", ["eni-old/4"])
    node.manager.release(lease)
    assert node.ipam.leases() == ()


def test_what_backends_need_of_a_lease(make: Callable[..., Node]) -> None:
    node = ready(make(addresses=2))
    node.acquire("pod")
    eni = node.manager.eni_of(node.ipam.leases()[0])
    assert eni is not None
    assert eni.mac == node.cloud.enis()[eni.id].mac
    node.await_(lambda: node.manager.vswitch_of(eni) is not None)
    vswitch = node.manager.vswitch_of(eni)
    assert vswitch is not None
    assert (str(vswitch.cidr), str(vswitch.gateway)) == ("10.0.0.0/16", "10.0.255.253")


def test_a_turn_that_breaks_is_not_the_last(make: Callable[..., Node], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terway_edge.eni.manager.PAUSE", 0.01)
    node = make(addresses=2)
    failures = [OSError("odd"), OSError("odd")]
    real = Keeper.turn

    def turn(self: Keeper) -> list[object]:
        if failures:
            raise failures.pop()
        return real(self)  # type: ignore[return-value]

    monkeypatch.setattr(Keeper, "turn", turn)
    ready(node)
    assert node.acquire("pod")


def nobody(_: float) -> Site:
    raise CloudError("DescribeInstances: no answer", action="DescribeInstances", cause=Cause.UNAVAILABLE)


@pytest.mark.slow
def test_what_is_remembered_is_for_pods_until_the_instance_is_known(make: Callable[..., Node]) -> None:
    node = ready(make(addresses=3, policy=Policy(max_pool_size=3)))
    before = {node.acquire("one")}
    site = node.site(0.0)
    node.site, node.recall = nobody, lambda: site
    node.restart()
    node.manager.start()
    node.cloud.calls.clear()
    before |= {node.acquire("two"), node.acquire("three")}
    assert len(before) == 3
    assert [condition.reason for condition in node.manager.conditions()] == ["InstanceUnknown"]
    assert (node.manager.standing().capacity, node.manager.details()) == (0, {})
    with ThreadPoolExecutor(1) as others:
        late = others.submit(node.acquire, "four", 4 * SOON)
        assert node.cloud.made() == 0
        node.site = lambda _: site
        assert late.result(4 * SOON) not in before
    assert node.manager.conditions() == []


def test_a_memory_that_breaks_is_in_nobodys_way(make: Callable[..., Node]) -> None:
    def broken() -> Site:
        raise RuntimeError("because the test says so")

    node = make(addresses=1)
    node.recall = broken
    node.manager.start()
    assert node.acquire("one")


TOO_MUCH = 1 << 46  # bytes of a thread's stack, of which no process has so many


def test_a_call_for_which_there_is_no_thread_is_made_later(make: Callable[..., Node]) -> None:
    """The limit of a cgroup or of memory: it must not look as if the call were under way for ever."""
    node = ready(make(addresses=1))
    node.acquire("first")
    before = threading.stack_size(TOO_MUCH)
    try:
        with pytest.raises(Retry, match="no thread"):
            node.acquire("second", seconds=0.5)
    finally:
        threading.stack_size(before)
    assert node.acquire("second")
