"""Random calls against a model that believes the answers alone.

After each call the listings say what the model expects, the checker finds nothing, and a call that was refused or cut
off before its effect has changed nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from terway_edge.testing import FakeClock
from terway_edge.testing.openapi import Emulator, Script
from terway_edge.testing.openapi.example import REGION, example_site
from terway_edge.testing.openapi.pace import Delay, Pace
from terway_edge.testing.openapi.site import EnsLimits

SECONDS = 5.0
DROPS = {
    "faults": [
        {"kind": "drop", "when": "before", "probability": 0.05, "seed": 1},
        {"kind": "drop", "when": "after", "probability": 0.05, "seed": 2},
        {"kind": "partial", "portion": 1, "probability": 0.05, "seed": 3, "action": "*ssign*"},
        {"kind": "fails", "probability": 0.1, "seed": 4},
    ]
}
INDEX = st.integers(0, 30)


@dataclass
class Expected:
    """One ENI as the answers so far make it."""

    product: str
    status: str = "Available"
    instance: str = ""
    primary: str = ""
    addresses: set[str] = field(default_factory=set)
    prefixes: set[str] = field(default_factory=set)


class Calls(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.enis: dict[str, Expected] = {}

    @initialize(faulty=st.booleans())
    def start(self, faulty):
        wait = Delay(seconds=SECONDS)
        pace = Pace(attach=wait, detach=wait, delete=wait)
        site = example_site().model_copy(update={"pace": pace, "ens_limits": EnsLimits(addresses_per_eni=4)})
        self.emulator = Emulator(site, clock=self.clock.now)
        if faulty:
            self.emulator.load_faults(Script.model_validate(DROPS))
        listed = self.emulator.enis()
        self.enis = {
            eni.id: Expected(eni.product.value, eni.status.value, eni.instance, str(eni.primary)) for eni in listed
        }
        self.primaries = {eni.id for eni in listed if eni.type == "Primary"}

    # Calls: the answer if there was an effect, whether the client saw it or not.

    def call(self, product, action, **parameters):
        before = self.emulator.enis(), self.emulator.instances()
        wire = {"RegionId": REGION, **{name.replace("__", "."): str(value) for name, value in parameters.items()}}
        reply = self.emulator.invoke(product, action, wire)
        if reply.status == 200:
            return reply.json
        assert (self.emulator.enis(), self.emulator.instances()) == before
        return None

    def pick(self, index):
        return list(self.enis)[index % len(self.enis)]

    @rule(vswitch=st.sampled_from(["vsw-h", "vsw-i", "vsw-e1"]), count=st.integers(0, 12), prefix=st.booleans())
    def create(self, vswitch, count, prefix):
        if vswitch == "vsw-e1":
            groups = json.dumps(["sg-e1"])
            answer = self.call("ens", "CreateNetworkInterface", VSwitchId=vswitch, SecurityGroupIds=groups)
            if answer:
                (eni,) = answer["NetworkInterfaceIds"]
                self.enis[eni] = Expected("ens", primary=self.listed(eni)["PrimaryIp"])
            return
        name = "Ipv4PrefixCount" if prefix else "SecondaryPrivateIpAddressCount"
        asked = {name: count} if count else {}
        answer = self.call("ecs", "CreateNetworkInterface", VSwitchId=vswitch, SecurityGroupId="sg-1", **asked)
        if answer:
            addresses = {each["PrivateIpAddress"] for each in answer["PrivateIpSets"]["PrivateIpSet"]}
            prefixes = {each["Ipv4Prefix"] for each in answer["Ipv4PrefixSets"]["Ipv4PrefixSet"]}
            primary = answer["PrivateIpAddress"]
            self.enis[answer["NetworkInterfaceId"]] = Expected(
                "ecs", "Available", "", primary, addresses - {primary}, prefixes
            )
            assert len(addresses) + len(prefixes) == 1 + count

    @rule(index=INDEX, count=st.integers(1, 5), prefix=st.booleans())
    def assign(self, index, count, prefix):
        eni = self.pick(index)
        known = self.enis[eni]
        if known.product == "ens":
            answer = self.call("ens", "AssignPrivateIpAddresses", NetworkInterfaceId=eni)
            given = answer["AssignedPrivateIpAddressesSet"]["PrivateIpSet"] if answer else []
            assert len(given) == bool(answer)
            self.add(known, given)
            return
        name = "Ipv4PrefixCount" if prefix else "SecondaryPrivateIpAddressCount"
        answer = self.call("ecs", "AssignPrivateIpAddresses", NetworkInterfaceId=eni, **{name: count})
        if answer:
            found = answer["AssignedPrivateIpAddressesSet"]
            addresses, prefixes = found["PrivateIpSet"]["PrivateIpAddress"], found["Ipv4PrefixSet"]["Ipv4Prefixes"]
            assert len(addresses) + len(prefixes) in (count, 1), "1 if a fault made it less"
            self.add(known, addresses)
            known.prefixes |= set(prefixes)

    def add(self, known, given):
        """New addresses, which nobody of the same service had. (The networks of the two do not overlap.)"""
        taken = {address for each in self.enis.values() for address in (each.primary, *each.addresses)}
        assert not set(given) & taken
        known.addresses |= set(given)

    @rule(index=INDEX, count=st.integers(1, 4))
    def unassign(self, index, count):
        eni = self.pick(index)
        known = self.enis[eni]
        gone = sorted(known.addresses)[:count]
        asked = {f"PrivateIpAddress.{number}": address for number, address in enumerate(gone, 1)}
        before = set(known.addresses)
        if self.call(known.product, "UnassignPrivateIpAddresses", NetworkInterfaceId=eni, **asked) is not None:
            shown = self.listed(eni)["PrivateIpSets"]["PrivateIpSet"]
            left = {each["PrivateIpAddress"] for each in shown if not each["Primary"]}
            assert before - set(gone) <= left < before, "some went, and none but those"
            known.addresses = left

    @rule(index=INDEX, instance=st.sampled_from(["i-1", "i-2", "i-e1"]))
    def attach(self, index, instance):
        eni = self.pick(index)
        known = self.enis[eni]
        asked = {"NetworkInterfaceId": eni, "InstanceId": instance}
        if self.call(known.product, "AttachNetworkInterface", **asked) is not None:
            assert known.status == "Available"
            known.status, known.instance = "Attaching", instance

    @rule(index=INDEX)
    def detach(self, index):
        eni = self.pick(index)
        known = self.enis[eni]
        where = {"InstanceId": known.instance or "i-1"} if known.product == "ecs" else {}
        if self.call(known.product, "DetachNetworkInterface", NetworkInterfaceId=eni, **where) is not None:
            assert known.status in ("InUse", "Detaching")
            assert eni not in self.primaries
            known.status = "Detaching"

    @rule(index=INDEX)
    def delete(self, index):
        eni = self.pick(index)
        known = self.enis[eni]
        if known.product == "ecs":
            answer = self.call("ecs", "DeleteNetworkInterface", NetworkInterfaceId=eni)
        else:
            answer = self.call("ens", "DeleteNetworkInterfaces", NetworkInterfaceIds=json.dumps([eni]))
        if answer is not None:
            assert known.status in ("Available", "Deleting")
            known.status = "Deleting"

    @rule(verb=st.sampled_from(["Start", "Stop"]))
    def start_or_stop(self, verb):
        self.call("ens", f"{verb}Instance", InstanceId="i-e1")

    @rule()
    def wait(self):
        """All changes end: each ENI in the status that follows, or in the one it had if the change failed."""
        self.clock.advance(SECONDS)
        ends = {"Attaching": ("InUse", "Available"), "Detaching": ("Available", "InUse"), "Deleting": ("", "Available")}
        shown = {eni.id: eni for eni in self.emulator.enis()}
        for name, known in list(self.enis.items()):
            if known.status in ends:
                now = shown[name].status.value if name in shown else ""
                assert now in ends[known.status]
                known.status = now
                known.instance = "" if now == "Available" else known.instance
                if not now:
                    del self.enis[name]

    # What must be true after each of them.

    def listed(self, eni):
        known = self.enis.get(eni)
        product = known.product if known else "ens"
        name = "NetworkInterfaceId.1" if product == "ecs" else "NetworkInterfaceIds.1"
        while True:  # a fault may cut the listing off
            reply = self.emulator.invoke(product, "DescribeNetworkInterfaces", {"RegionId": REGION, name: eni})
            if reply.status == 200:
                return reply.json["NetworkInterfaceSets"]["NetworkInterfaceSet"][0]

    @invariant()
    def the_cloud_is_as_the_answers_said(self):
        found = {
            eni.id: Expected(
                eni.product.value,
                eni.status.value,
                eni.instance,
                str(eni.primary),
                set(map(str, eni.secondary)),
                set(map(str, eni.prefixes)),
            )
            for eni in self.emulator.enis()
        }
        assert found == self.enis

    @invariant()
    def nothing_is_wrong(self):
        assert self.emulator.violations() == []


TestCalls = Calls.TestCase
TestCalls.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
