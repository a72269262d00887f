"""Cases T31, T32, T33 and T36 of the reliability matrix: what the cloud fails at."""

from collections import Counter
from collections.abc import Callable

import pytest

from terway_edge.core.cloud import Cause, CloudError, EniStatus, Limits
from terway_edge.core.names import Key
from terway_edge.eni.policy import Policy
from terway_edge.testing.cloud_faults import Fault
from terway_edge.testing.fake_cloud import ENS
from tests.eni.rig import Rig, names
from tests.eni.walks import walk

MUTATING = ("create_eni", "attach", "assign", "unassign", "detach", "delete_eni")


def use_everything(rig: Rig) -> None:
    """A load for which every changing call is needed at least once."""
    rig.want(*names(14))
    rig.run(60)
    rig.release(*names(14)[:9])
    rig.run(120)
    rig.release(*names(14))
    rig.run(900)


def macs_of(rig: Rig) -> dict[Key, bytes]:
    """The MAC of the ENI that each pod has its address of."""
    found = {lease.key: rig.keeper.eni_of(lease) for lease in rig.ipam.leases()}
    return {key: eni.mac for key, eni in found.items() if eni is not None}


# --- T31: the answer is lost after the effect ---------------------------------------------------------------------


@pytest.mark.parametrize("verb", MUTATING)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_t31_a_lost_answer_makes_one_resource(verb: str, times: int) -> None:
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    rig.cloud.faults[verb] = [Fault.LOST] * times
    peak = 0
    rig.run(1)
    rig.want(*names(14))
    for _ in range(200):
        rig.run(1)
        peak = max(peak, len(rig.cloud.enis()) - 1)
    assert rig.served == 14
    assert peak == 1
    assert sum(len(eni.addresses) for eni in rig.cloud.enis().values()) == 14 + 1
    rig.release(*names(14))
    rig.run(900)
    assert list(rig.cloud.enis()) == ["eni-primary"]


@pytest.mark.parametrize("verb", MUTATING)
def test_t31_a_killed_process_repeats_with_the_same_token(verb: str) -> None:
    """The answer is lost, and then the memory of who asked: the next process says the same words."""
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    rig.cloud.faults[verb] = [Fault.LOST]
    done: Callable[[], bool] = lambda: any(call.verb == verb and call.outcome == Fault.LOST for call in rig.cloud.calls)  # noqa: E731
    rig.want(*names(14))
    rig.run(60, until=done)
    if not done():
        rig.release(*names(14)[:9])
        rig.run(60, until=done)
    if not done():
        rig.release(*names(14))
        rig.run(120, until=done)
    assert done()
    rig.start()
    rig.run(900)
    served = {lease.sandbox.pod_name for lease in rig.ipam.leases()}
    assert len(rig.cloud.enis()) == (2 if served else 1)
    assert sum(len(eni.addresses) for eni in rig.cloud.enis().values() if eni.id != "eni-primary") <= 15
    rig.release(*served)
    rig.run(900)
    assert list(rig.cloud.enis()) == ["eni-primary"]


@pytest.mark.slow
def test_t31_a_thousand_lost_answers_of_each_kind_leave_nothing_behind() -> None:
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    for _ in range(1000):
        rig.cloud.faults = {verb: [Fault.LOST] for verb in MUTATING}
        rig.want(*names(12))
        rig.run(30)
        rig.release(*names(12)[:8])
        rig.run(40)
        rig.release(*names(12))
        rig.run(60)
        assert len(rig.cloud.enis()) == 1
    lost = Counter(call.verb for call in rig.cloud.calls if call.outcome == Fault.LOST)
    assert lost == dict.fromkeys(MUTATING, 1000)


def test_t31_without_tokens_the_difference_tells() -> None:
    rig = Rig(Policy(max_pool_size=0), limits=Limits(10, 25), features=ENS)
    rig.cloud.add_eni()
    rig.run(1)
    rig.cloud.faults["assign"] = [Fault.LOST] * 3
    rig.want(*names(12))
    rig.run(120)
    assert rig.served == 12
    assert len(rig.cloud.enis()[rig.secondary()[0]].addresses) == 12


# --- T32: throttled ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.THROTTLE, Fault.BEFORE, Fault.LOST])
def test_t32_an_outage_of_ten_minutes_costs_few_calls_and_no_pod(fault: Fault) -> None:
    rig = Rig(Policy(min_pool_size=10, max_pool_size=10, trim_after=0))
    rig.settle()
    rig.want(*names(5, "old"))
    rig.settle()
    before, idle = rig.cloud.made(), rig.idle()
    rig.cloud.outage = fault
    warm = 0
    for number in range(60):
        rig.want(f"new-{number}")
        warm += rig.lease(f"new-{number}") is not None
        rig.run(10)
    assert warm == idle  # hits are served all the while
    assert {f"old-{n}" for n in range(5)} <= {lease.sandbox.pod_name for lease in rig.ipam.leases()}
    # Each of the three or four kinds of calls that are wanted: once alone per pause of up to a minute.
    assert rig.cloud.made() - before <= 4 * 17
    rig.cloud.outage = None
    rig.run(120)
    assert not rig.waiting
    assert not rig.loose()


def test_t32_pauses_vary() -> None:
    def times(seed: int) -> list[float]:
        rig = Rig(seed=seed)
        rig.cloud.outage, seen = Fault.THROTTLE, []
        for _ in range(3000):
            if rig.turn():
                seen.append(round(rig.clock.now(), 1))
            rig.clock.advance(0.1)
        return seen

    assert times(1) != times(2)
    assert len(times(1)) <= 14


@pytest.mark.slow
def test_t32_one_call_in_ten_throttled_hardly_delays() -> None:
    rig = Rig(Policy(max_pool_size=0))
    waited = []
    for number in range(100):
        rig.cloud.faults = {verb: [Fault.THROTTLE] for verb in (MUTATING[number % 6],)}
        rig.want("pod")
        started = rig.clock.now()
        rig.run(60, until=lambda: not rig.waiting)
        waited.append(rig.clock.now() - started)
        rig.release("pod")
        rig.run(200)
    assert max(waited) < 10


@pytest.mark.parametrize("verb", ["create_eni", "assign"])
@pytest.mark.parametrize("fault", [Fault.THROTTLE, Fault.DENIED, Fault.CONFLICT])
def test_failing_growth_never_holds_up_a_release(verb: str, fault: Fault) -> None:
    """A vSwitch or an account that gives nothing must not keep what it has, too."""
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    rig.want(*names(20))
    rig.run(40)
    rig.cloud.faults[verb] = [fault] * 1000
    rig.release(*names(20)[:12])
    rig.run(10)
    rig.want(*names(60, "more"))
    rig.run(10)
    for name in names(60, "more"):
        rig.give_up(name)
    rig.run(60)
    assert rig.served < 80
    assert sum(len(rig.cloud.enis()[id].addresses) for id in rig.secondary()) <= rig.served + len(rig.secondary())


def test_an_exhausted_vswitch_holds_up_neither_release_nor_another_vswitch() -> None:
    policy = Policy(max_pool_size=0, trim_after=0, vswitches=("vsw-a", "vsw-b"))
    rig = Rig(policy, vswitches={"vsw-a": "10.0.0.0/27", "vsw-b": "10.0.1.0/24"})
    rig.run(1)
    rig.cloud.use_up("vsw-a", 0)
    rig.want(*names(30))
    rig.run(60)
    assert rig.served == 30
    assert {rig.cloud.enis()[id].vswitch for id in rig.secondary()} == {"vsw-b"}
    assert rig.cloud.made("create_eni") <= 3 + 4  # and half, a quarter, one of the other one


def test_an_exhausted_vswitch_is_remembered_and_tried_again() -> None:
    rig = Rig(Policy(max_pool_size=0), vswitches={"vsw-a": "10.0.0.0/27"})
    rig.run(1)
    rig.cloud.use_up("vsw-a", 0)
    rig.want(*names(10))
    rig.run(590)
    assert rig.cloud.made("create_eni") <= 4
    assert "VSwitchExhausted" in rig.reasons()
    assert "InsufficientIP" in rig.reasons()
    rig.cloud.give_back("vsw-a")
    rig.run(60)
    assert rig.served == 10
    assert rig.reasons() == []


def test_the_last_addresses_of_a_vswitch_are_had() -> None:
    rig = Rig(Policy(max_pool_size=0), vswitches={"vsw-a": "10.0.0.0/27"})
    rig.run(1)
    rig.cloud.use_up("vsw-a", 3)
    rig.want(*names(10))
    rig.run(60)
    assert rig.served == 3


# --- T33: partial success and other oddities -----------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["create_eni", "assign", "unassign"])
def test_t33_less_than_asked_for_is_made_up_for(verb: str) -> None:
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    rig.cloud.faults[verb] = [Fault.PARTIAL] * 2
    rig.want(*names(14))
    rig.run(120)
    assert rig.served == 14
    rig.release(*names(14)[:9])
    rig.run(120)
    rig.release(*names(14))
    rig.run(600)
    assert list(rig.cloud.enis()) == ["eni-primary"]


def test_t33_enis_in_another_order_are_the_same_enis() -> None:
    rig = Rig(Policy(max_pool_size=0))
    rig.want(*names(40))
    rig.run(40)
    before = {lease.key: lease for lease in rig.ipam.leases()}
    macs = macs_of(rig)
    rig.cloud._enis = dict(reversed(rig.cloud._enis.items()))
    rig.start()
    rig.run(120)
    assert {lease.key: lease for lease in rig.ipam.leases()} == before
    assert macs_of(rig) == macs
    assert len(macs) == 40


@pytest.mark.parametrize("cause", list(Cause))
@pytest.mark.parametrize("verb", ["enis_of", "find_enis", "vswitches", *MUTATING])
def test_t33_whatever_a_call_fails_with_the_pool_goes_on(
    verb: str, cause: Cause, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown code, an empty body, an error in a 200, a wrong clock: each is one of these to the pool."""
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    real, left = getattr(rig.cloud, verb), [3]

    def flaky(*arguments: object, **more: object) -> object:
        if left[0]:
            left[0] -= 1
            raise CloudError(f"{verb} fails: {cause}", action=verb, cause=cause)
        return real(*arguments, **more)

    monkeypatch.setattr(rig.cloud, verb, flaky)
    rig.want(*names(14))
    rig.run(3000)
    assert rig.served == 14
    rig.release(*names(14)[:9])
    rig.run(1500)
    rig.release(*names(14))
    rig.run(3000)
    assert list(rig.cloud.enis()) == ["eni-primary"]
    assert left[0] < 3
    assert rig.reasons() == []


def test_t33_a_bug_in_the_client_is_a_failure_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    real, calls = rig.cloud.enis_of, []

    def broken(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 1:
            raise TypeError("a bug")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rig.cloud, "enis_of", broken)
    rig.want("pod")
    rig.run(60)
    assert rig.served == 1


# --- T36: ENIs appear late ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.0, 5.0, 20.0, 60.0, 100.0])
def test_t36_an_eni_that_appears_late_serves_when_it_is_there(seconds: float) -> None:
    rig = Rig(Policy(max_pool_size=0))
    rig.cloud._attach_seconds = seconds
    rig.run(1)
    rig.want("pod")
    started = rig.clock.now()
    rig.run(seconds)
    assert rig.served == 0
    rig.run(200, until=lambda: rig.served == 1)
    assert rig.clock.now() - started <= seconds + 11.0
    assert (rig.cloud.made("create_eni"), rig.cloud.made("attach")) == (1, 1)
    lease = rig.lease("pod")
    assert lease is not None
    eni = rig.keeper.eni_of(lease)
    assert eni is not None
    assert eni.mac == rig.cloud.enis()[eni.id].mac


def test_t36_an_eni_that_falls_back_is_attached_again() -> None:
    rig = Rig(Policy(max_pool_size=0))
    rig.cloud.faults["attach"] = [Fault.FALLS_BACK]
    rig.want("pod")
    rig.run(60)
    assert rig.served == 1
    assert (rig.cloud.made("create_eni"), rig.cloud.made("attach")) == (1, 2)


def test_t36_an_eni_that_never_appears_is_taken_away_and_another_one_made() -> None:
    rig = Rig(Policy(max_pool_size=0))
    rig.cloud.faults["attach"] = [Fault.STUCK]
    rig.want("pod")
    rig.run(160)
    assert rig.served == 1
    assert "EniGivenUp" in rig.events.reasons("eni-1")
    assert rig.cloud.enis()["eni-1"].status is EniStatus.ATTACHING
    rig.cloud.unstick()
    rig.run(200)
    assert "eni-1" not in rig.cloud.enis()
    assert "EniAdopted" not in rig.events.reasons("eni-1")


@pytest.mark.slow
def test_t33_long_walks_under_constant_trouble() -> None:
    for seed in range(5000, 5040):
        walk(seed, 600)
