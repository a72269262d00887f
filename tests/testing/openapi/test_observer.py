"""Observers are told in order, once, before the answer; their mistakes are theirs."""

from __future__ import annotations

import logging
import threading

import pytest

from terway_edge.testing.openapi import Emulator, Observer
from tests.testing.openapi.caller import Caller


def test_the_eni_that_an_observer_gets_is_the_one_of_the_event(site):
    seen = []

    class Links(Observer):
        def on_attached(self, instance, eni):
            seen.append((instance, eni.mac, [str(each) for each in eni.ipv4]))

    call = Caller(Emulator(site, observer=Links()))
    eni = call.eni(SecondaryPrivateIpAddressCount=1)
    call("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    assert seen == [("i-1", "00:16:3e:00:00:06", ["192.168.0.1", "192.168.0.2"])]


def test_nothing_is_told_of_what_was_there_from_the_start_or_belongs_to_nobody(emulator, call, recorder):
    assert len(emulator.enis()) == 5
    call.eni()
    assert recorder.seen == []


def test_an_eni_that_is_moved_goes_and_comes(emulator, call, recorder):
    eni = call.eni()
    with emulator.outside() as outside:
        outside.move_eni(eni, "i-1")
    with emulator.outside() as outside:
        outside.detach_eni(eni)
        outside.move_eni(eni, "i-1")
        outside.delete_eni(eni)
    attached, detached = f"{eni} attached to i-1", f"{eni} detached from i-1"
    assert recorder.seen == [attached, detached, attached, detached]


def test_a_slow_observer_holds_up_its_own_call_only(site):
    entered, leave = threading.Event(), threading.Event()

    class Slow(Observer):
        def on_attached(self, instance, eni):
            entered.set()
            assert leave.wait(10)

    call = Caller(Emulator(site, observer=Slow()))
    asked = {"InstanceId": "i-1", "NetworkInterfaceId": call.eni()}
    thread = threading.Thread(target=call, args=("ecs", "AttachNetworkInterface"), kwargs=asked)
    thread.start()
    assert entered.wait(10)
    assert [each.code for each in call.emulator.log.calls("AttachNetworkInterface")] == [""]
    assert thread.is_alive()
    leave.set()
    thread.join(10)
    assert not thread.is_alive()


def test_an_eni_that_changes_hands_goes_from_one_and_comes_to_the_other(site, recorder):
    emulator = Emulator(site, observer=recorder)
    eni = Caller(emulator).eni()
    with emulator.outside() as outside:
        outside.move_eni(eni, "i-1")
        outside.move_eni(eni, "i-2")
    assert recorder.seen == [f"{eni} attached to i-1", f"{eni} detached from i-1", f"{eni} attached to i-2"]


def test_events_are_told_in_their_order_one_at_a_time(site):
    """A second call, made while the observer is still busy with the first, waits for its turn."""
    entered, leave, seen = threading.Event(), threading.Event(), []

    class Slow(Observer):
        def on_attached(self, instance, eni):
            entered.set()
            assert leave.wait(10)
            seen.append("attached")

        def on_addresses_changed(self, eni):
            seen.append("changed")

    call = Caller(Emulator(site, observer=Slow()))
    asked = {"InstanceId": "i-1", "NetworkInterfaceId": call.eni()}
    more = {"NetworkInterfaceId": "eni-000001", "SecondaryPrivateIpAddressCount": 1}
    first = threading.Thread(target=call, args=("ecs", "AttachNetworkInterface"), kwargs=asked)
    second = threading.Thread(target=call, args=("ecs", "AssignPrivateIpAddresses"), kwargs=more)
    first.start()
    assert entered.wait(10)
    second.start()
    second.join(0.1)
    assert (seen, second.is_alive()) == ([], True)
    leave.set()
    first.join(10)
    second.join(10)
    assert seen == ["attached", "changed"]


def test_an_observer_may_ask_the_emulator(site):
    seen = []

    class Curious(Observer):
        def on_attached(self, instance, eni):
            seen.append([each.id for each in emulator.enis(instance)])

    emulator = Emulator(site, observer=Curious())
    call = Caller(emulator)
    eni = call.eni()
    call("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    assert seen == [["eni-000001", eni]]


def test_what_an_observer_raises_is_told_by_the_checker(site, caplog):
    class Broken(Observer):
        def on_attached(self, instance, eni):
            raise OSError("no such link")

    call = Caller(Emulator(site, observer=Broken()))
    eni = call.eni()
    with caplog.at_level(logging.CRITICAL):
        call("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    assert call.status(eni) == "InUse"
    assert call.emulator.violations() == ["the observer failed: OSError('no such link')"]


def test_a_call_that_raises_in_the_emulator_leaves_it_usable(emulator, call):
    with emulator.outside() as outside:
        outside.stop_instance("i-1")
        with pytest.raises(KeyError):
            outside.stop_instance("i-none")
    with pytest.raises(KeyError), emulator.outside() as outside:
        outside.stop_instance("i-none")
    assert call("ecs", "DescribeInstances", Status="Stopped")["TotalCount"] == 1
