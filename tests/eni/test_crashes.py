"""A process killed between any two steps: the next one leaves nothing behind and takes nothing from a pod."""

from collections.abc import Iterator

import pytest

from terway_edge.core.cloud import Limits
from terway_edge.core.errors import Retry
from terway_edge.eni.intents import Left, Memory, Parted, write
from terway_edge.eni.policy import Policy
from terway_edge.testing.cloud_faults import Fault
from tests.eni.rig import MemoryIntents, Rig, names


class Killed(BaseException):
    """SIGKILL: nothing of the process goes on."""


class Fuse:
    """Burns down by one at each step that can be seen from outside, and kills at the end."""

    def __init__(self) -> None:
        self.left = -1
        self.passed: list[str] = []

    def pass_by(self, step: str) -> None:
        self.passed.append(step)
        self.left -= 1
        if self.left == 0:
            raise Killed(step)


class FusedIntents(MemoryIntents):
    fuse: Fuse

    def save(self, memory: Memory) -> None:
        self.fuse.pass_by("before save")
        super().save(memory)
        self.fuse.pass_by("after save")


class FusedRig(Rig):
    """`fuse` sees every write of the memory, and every changing call before and after its effect."""

    def __init__(self, policy: Policy, limits: Limits) -> None:
        self.fuse = Fuse()
        super().__init__(policy, limits=limits)
        fused = FusedIntents()
        fused.fuse = self.fuse
        self.intents = fused
        for verb in ("create_eni", "attach", "assign", "unassign", "detach", "delete_eni"):
            setattr(self.cloud, verb, self._fused(verb))
        self.start()

    def _fused(self, verb: str) -> object:
        real = getattr(self.cloud, verb)

        def fused(*arguments: object) -> object:
            self.fuse.pass_by(f"before {verb}")
            answer = real(*arguments)
            self.fuse.pass_by(f"after {verb}")
            return answer

        return fused


def life(rig: Rig) -> Iterator[None]:
    """A burst, a lull, a second burst, and the end of all pods: every kind of call."""
    rig.want(*names(9))
    rig.run(40)
    yield
    rig.release(*names(9)[::2])
    rig.run(70)
    yield
    rig.want(*names(4, "more"))
    rig.run(40)
    yield
    rig.release(*names(9), *names(4, "more"))
    rig.run(100)
    yield


def live(rig: FusedRig, left: int) -> str:
    """The whole life, killed at one step; returns the step, empty if it was not reached."""
    rig.fuse.left = left
    stage, killed = life(rig), ""
    while True:
        try:
            next(stage)
        except StopIteration:
            return killed
        except Killed as step:
            killed = str(step)
            rig.start()
            rig.run(200)
            stage = life(rig)  # the pods that are still there are wanted again, and all are released in the end


def steps() -> list[str]:
    rig = FusedRig(Policy(max_pool_size=0, trim_after=0), Limits(4, 6))
    live(rig, -1)
    return rig.fuse.passed


def test_the_life_has_every_step() -> None:
    kinds = {"save", "create_eni", "attach", "assign", "unassign", "detach", "delete_eni"}
    assert set(steps()) == {f"{when} {kind}" for when in ("before", "after") for kind in kinds}


def test_killed_at_every_step_once() -> None:
    for number, step in enumerate(steps(), 1):
        rig = FusedRig(Policy(max_pool_size=0, trim_after=0), Limits(4, 6))
        assert live(rig, number) == step
        rig.run(300)
        assert rig.served == 0
        assert list(rig.cloud.enis()) == ["eni-primary"], f"killed {step} ({number}): an ENI was left behind"
        assert len(rig.cloud.enis()["eni-primary"].addresses) == 1


def test_pods_keep_their_addresses_over_every_crash() -> None:
    for number in range(1, len(steps()) + 1):
        rig = FusedRig(Policy(max_pool_size=0, trim_after=0), Limits(4, 6))
        rig.fuse.left = number
        rig.want(*names(9))
        try:
            rig.run(60)
            rig.release(*names(9)[::2])
            rig.run(60)
        except Killed:
            rig.start()
        before = {lease.key: lease for lease in rig.ipam.leases()}
        rig.run(200)
        after = {lease.key: lease for lease in rig.ipam.leases()}
        assert before.items() <= after.items()
        owned = rig.cloud.owned()
        assert all(address in owned for lease in after.values() for address in lease.addresses)


def test_a_damaged_memory_is_made_good_by_the_sweep() -> None:
    rig = Rig(Policy(max_pool_size=0))
    rig.cloud.faults["create_eni"] = [Fault.LOST]
    rig.want("pod")
    rig.run(1)
    assert len(rig.cloud.enis()) == 2
    rig.give_up("pod")
    rig.intents.data = b""
    rig.start()
    rig.run(130)
    assert list(rig.cloud.enis()) == ["eni-primary"]


def test_what_cannot_be_written_down_is_not_begun() -> None:
    rig = Rig(Policy(max_pool_size=0))
    rig.intents.fail = True
    rig.want("pod")
    rig.run(30)
    assert rig.cloud.made("create_eni") == 0
    assert "the disk is full because the test says so" in [each.message for each in rig.keeper.conditions()]
    rig.intents.fail = False
    rig.run(60)
    assert rig.served == 1


def test_releases_go_on_while_nothing_can_be_written_down() -> None:
    """The lease store is another file; here only the cloud's side waits."""
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    rig.want(*names(3))
    rig.run(30)
    rig.intents.fail = True
    rig.release(*names(3))
    rig.run(60)
    assert rig.served == 0
    assert rig.cloud.made("detach", "unassign") == 0
    rig.intents.fail = False
    rig.run(120)
    assert list(rig.cloud.enis()) == ["eni-primary"]


def test_an_address_that_a_pod_has_is_not_taken_whatever_the_memory_says() -> None:
    """A process was killed before it could prove that nobody had what it was about to give back."""
    rig = Rig(Policy(max_pool_size=3, trim_after=0))
    rig.want(*names(3))
    rig.run(40)
    rig.release("pod-0", "pod-1")
    rig.run(20)
    eni = rig.cloud.enis()[rig.secondary()[0]]
    held = rig.address("pod-2")
    for memory in (
        Memory(leaving=(Left(eni.id, eni.addresses),)),
        Memory(parted=(Parted(eni.id, (held,), rig.clock.now()),)),
    ):
        rig.intents.data = write(memory)
        rig.start()
        rig.run(1)
        assert held in {address for each in rig.keeper._pool.offers.values() for address in each[4]}
        rig.run(200)
        assert rig.address("pod-2") == held
        assert held in rig.cloud.owned()


def test_a_store_that_cannot_record_a_release_keeps_the_address() -> None:
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    rig.want("pod")
    rig.run(30)
    rig.store.fail_next()
    with pytest.raises(Retry):
        rig.release("pod")
    rig.run(300)
    assert rig.lease("pod") is not None
    assert rig.address("pod") in rig.cloud.owned()
