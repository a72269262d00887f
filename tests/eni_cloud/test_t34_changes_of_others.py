"""T34: the truth is changed by others. Seen within a minute, never given to a pod after that; who had it is told of it;
what is not provably the pool's own is never detached or deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from terway_edge.core.addresses import Address
from terway_edge.eni.policy import CREATOR, CREATOR_TAG, INSTANCE_TAG, INTENT_TAG, Policy
from terway_edge.testing.openapi.records import EniStatus
from terway_edge.testing.openapi.site import EniSpec, Site
from tests.eni.rig import names
from tests.eni_cloud.rig import COOLDOWN, ECS_NODE, ENS_NODE, OTHER_NODE, TIGHT, CloudRig, make_site
from tests.eni_cloud.witness import owned

SEEN = 60.0
BOTH = pytest.mark.parametrize("instance", [ECS_NODE, ENS_NODE])
WARM = Policy(min_pool_size=4, max_pool_size=4)
MARKS = {CREATOR_TAG: CREATOR, INSTANCE_TAG: ECS_NODE}
THEIRS = {CREATOR_TAG: CREATOR, INSTANCE_TAG: OTHER_NODE}


def settled(make: Callable[..., CloudRig], instance: str = ECS_NODE, **more: object) -> CloudRig:
    """Four pods and four idle addresses, all long known."""
    rig = make(WARM, instance, **more)
    rig.want(*names(4))
    rig.run(300)
    assert (rig.served, rig.idle()) == (4, 4)
    rig.emulator.log.clear()
    return rig


def at_next_look(change: str, **more: object) -> dict[str, object]:
    """Somebody changes something just before the next list is read."""
    return {"kind": "outside", "change": change, "action": "DescribeNetworkInterfaces", "count": 1, **more}


def grab_all(rig: CloudRig) -> set[Address]:
    """What new pods are given at once."""
    wanted = [f"grab-{rig.count()}-{number}" for number in range(30)]
    rig.want(*wanted)
    found = rig.addresses_of(*wanted)
    rig.check()
    for name in wanted:
        rig.give_up(name)
        rig.release(name)
    return found


def idle_address(rig: CloudRig) -> Address:
    return next(each for eni in rig.enis() for each in eni.secondary if each not in rig.used())


def used_address(rig: CloudRig) -> tuple[str, Address]:
    """Of a pod, and no ENI's primary one."""
    secondary = {each for eni in rig.enis() for each in eni.secondary}
    return next((name, rig.address(name)) for name in names(4) if rig.address(name) in secondary)


@BOTH
@pytest.mark.parametrize("by_script", [False, True])
def test_t34_an_idle_address_that_was_taken_is_given_to_nobody(
    make: Callable[..., CloudRig], instance: str, by_script: bool
) -> None:
    rig = settled(make, instance)
    taken = idle_address(rig)
    if by_script:
        rig.faults(at_next_look("unassign_address", address=str(taken)))
    else:
        rig.taken_by_neighbour(taken)
    rig.run(SEEN + 1)
    grabbed = grab_all(rig)
    assert len(grabbed) >= 3
    assert by_script or taken not in grabbed
    rig.run(200)
    assert rig.idle() >= 4
    assert by_script or "AddressesLost" in rig.events.reasons()
    rig.check_rest()


@BOTH
def test_t34_a_used_address_that_was_taken_is_told_and_its_pod_left_alone(
    make: Callable[..., CloudRig], instance: str
) -> None:
    rig = settled(make, instance)
    name, taken = used_address(rig)
    others_before = rig.used() - {taken}
    rig.taken_by_neighbour(taken)
    rig.run(SEEN + 12)
    lost = [each.subject for each in rig.keeper.conditions() if each.reason == "AddressLost"]
    assert lost == [str(taken)]
    assert rig.address(name) == taken
    assert rig.used() == others_before | {taken}
    rig.release(name)
    rig.run(COOLDOWN + 5)
    assert taken not in grab_all(rig)
    assert "AddressLost" not in rig.reasons()
    rig.check()


@pytest.mark.parametrize("change", ["detach_eni", "delete_eni", "move_eni"])
def test_t34_an_eni_that_was_taken_away(make: Callable[..., CloudRig], change: str) -> None:
    rig = settled(make)
    (eni,) = rig.enis()
    with rig.others() as others:
        getattr(others, change)(eni.id, *([OTHER_NODE] if change == "move_eni" else []))
    rig.run(SEEN + 1)
    now_owned = {each for found in rig.enis() for each in owned(found)}
    assert grab_all(rig) & owned(eni) <= now_owned  # of an ENI that is detached the cloud may give them again
    rig.run(12)
    assert rig.reasons().count("AddressLost") == 4
    assert rig.addresses_of(*names(4)) <= owned(eni)
    rig.run(200)
    assert rig.idle() == 4
    rig.release(*names(4))
    rig.run(COOLDOWN + 130)
    assert rig.reasons() == []
    left = {each.id: each for each in rig.emulator.enis()}
    if change == "move_eni":
        assert left[eni.id].instance == OTHER_NODE
        assert not [call for call in rig.changes() if call.parameters.get("NetworkInterfaceId") == eni.id]
    rig.run(700)
    rig.check_rest()


def test_t34_an_eni_taken_away_in_the_middle_of_its_making(make: Callable[..., CloudRig]) -> None:
    """By the script: at the moment of the attach, of the list that shows it, of the assign that follows."""
    for action in ("AttachNetworkInterface", "DescribeNetworkInterfaces", "AssignPrivateIpAddresses"):
        for change in ("detach_eni", "delete_eni"):
            for when in ("before", "after"):
                rig = make(TIGHT)
                rig.faults(
                    {"kind": "outside", "change": change, "instance": ECS_NODE, "action": action, "when": when,
                     "calls": [3] if action.startswith("Desc") else [1]}
                )  # fmt: skip
                rig.witness.by_others = True  # whatever is lost from now on
                rig.want(*names(14))
                rig.run(20)
                rig.want(*names(20, "more"))
                rig.run(900)
                assert rig.served == 34
                rig.release(*names(14), *names(20, "more"))
                rig.run(900)
                assert rig.made() == []
                rig.check_rest()


def test_t34_other_security_groups_are_seen(make: Callable[..., CloudRig]) -> None:
    rig = settled(make)
    (eni,) = rig.enis()
    rig.faults(at_next_look("set_groups", eni=eni.id, groups=["sg-2"]))
    rig.run(SEEN + 1)
    lease = rig.lease("pod-0")
    assert lease is not None
    found = rig.keeper.eni_of(lease)
    assert found is not None
    assert found.security_groups == ("sg-2",)
    assert rig.changes() == []
    rig.check_rest()


def test_t34_unknown_enis_are_never_detached_or_deleted(make: Callable[..., CloudRig]) -> None:
    """Neither others' nor those that only look like ours: another node's, or one that is attached elsewhere."""
    strangers = (
        EniSpec(id="eni-s1", vswitch="vsw-a"),
        EniSpec(id="eni-s2", vswitch="vsw-a", tags={CREATOR_TAG: CREATOR}),
        EniSpec(id="eni-s3", vswitch="vsw-a", tags=THEIRS),
        EniSpec(id="eni-s4", vswitch="vsw-a", tags={INSTANCE_TAG: ECS_NODE}),
        EniSpec(id="eni-s5", vswitch="vsw-a", tags={CREATOR_TAG: "terway", INSTANCE_TAG: ECS_NODE}),
    )
    site = make_site()
    first, second, *rest = site.instances
    first = first.model_copy(update={"enis": (EniSpec(id="eni-s6"), EniSpec(id="eni-s8", tags=THEIRS))})
    second = second.model_copy(update={"enis": (EniSpec(id="eni-s7", tags=MARKS),)})
    plan: Site = site.model_copy(update={"enis": (*site.enis, *strangers), "instances": (first, second, *rest)})
    rig = make(TIGHT, site=plan)
    rig.want(*names(40))
    rig.run(120)
    rig.release(*names(40))
    rig.run(1500)
    touched = {
        call.parameters["NetworkInterfaceId"] for call in rig.calls("DetachNetworkInterface", "DeleteNetworkInterface")
    }
    assert not [each for each in touched if each.startswith("eni-s")]
    left = {each.id: each for each in rig.emulator.enis()}
    assert {f"eni-s{number}" for number in range(1, 9)} <= left.keys()
    assert left["eni-s6"].instance == left["eni-s8"].instance == ECS_NODE
    assert left["eni-s7"].instance == OTHER_NODE
    rig.check_rest()


def test_t34_an_orphan_of_ours_is_deleted_after_two_looks(make: Callable[..., CloudRig]) -> None:
    """Its maker is gone with its memory: only the marks are left of it."""
    orphan = EniSpec(id="eni-lost", vswitch="vsw-a", tags={**MARKS, INTENT_TAG: "0" * 32})
    site = make_site()
    rig = make(TIGHT, site=site.model_copy(update={"enis": (*site.enis, orphan)}))
    rig.run(50)
    assert rig.count("DeleteNetworkInterface") == 0
    rig.run(60)
    assert rig.made() == []
    (deleted,) = rig.calls("DeleteNetworkInterface")
    sweeps = [each.at for each in rig.calls("DescribeNetworkInterfaces") if "Tag.1.Key" in each.parameters]
    assert len([at for at in sweeps if at <= deleted.at]) == 2
    assert rig.count("DetachNetworkInterface") == 0
    rig.check_rest()


def test_t34_an_orphan_that_others_attach_between_the_looks_stays(make: Callable[..., CloudRig]) -> None:
    orphan = EniSpec(id="eni-lost", vswitch="vsw-a", tags=MARKS)
    site = make_site()
    rig = make(TIGHT, site=site.model_copy(update={"enis": (*site.enis, orphan)}))
    rig.run(30)
    with rig.others() as others:
        others.move_eni("eni-lost", OTHER_NODE)
    rig.run(1500)
    (eni,) = rig.made()
    assert (eni.status, eni.instance) == (EniStatus.IN_USE, OTHER_NODE)
    assert rig.count("DeleteNetworkInterface", "DetachNetworkInterface") == 0


@BOTH
def test_t34_addresses_that_others_add_become_stock(make: Callable[..., CloudRig], instance: str) -> None:
    rig = settled(make, instance)
    eni = rig.enis()[0]
    free = max(each.value for each in owned(eni)) + 40
    new = Address(4, free)
    with rig.others() as others:
        others._cloud.put(replace(eni, secondary=(*eni.secondary, new)))
    rig.run(SEEN + 15)
    assert rig.idle() == 5
    assert new in grab_all(rig)
    rig.check()
