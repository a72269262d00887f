"""Changes that nobody asked for by a call: a person at the console, another controller, the vendor."""

from __future__ import annotations

from dataclasses import replace

from terway_edge.core.addresses import Address
from terway_edge.testing.openapi.cloud import Cloud
from terway_edge.testing.openapi.faults import Outside
from terway_edge.testing.openapi.records import Eni, EniStatus, EniType


class OutsideChanges:
    """Each takes place at once, whatever state the thing is in. Raises KeyError if it is not there."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def detach_eni(self, eni: str) -> None:
        found = self._cloud.enis[eni]
        self._cloud.put(replace(found, status=EniStatus.AVAILABLE, instance="", change=None))

    def delete_eni(self, eni: str) -> None:
        self._cloud.drop(self._cloud.enis[eni])

    def move_eni(self, eni: str, instance: str) -> None:
        found = self._cloud.enis[eni]
        target = self._cloud.instances[instance]
        self._cloud.put(replace(found, status=EniStatus.IN_USE, instance=target.id, change=None))

    def unassign_address(self, address: str) -> None:
        """A secondary address, of either family."""
        wanted = Address.parse(address)
        eni = next((each for each in self._cloud.enis.values() if wanted in (*each.secondary, *each.ipv6)), None)
        if eni is None:
            raise KeyError(address)
        four = tuple(each for each in eni.secondary if each != wanted)
        self._cloud.put(replace(eni, secondary=four, ipv6=tuple(each for each in eni.ipv6 if each != wanted)))

    def release_instance(self, instance: str) -> None:
        self._cloud.release_instance(self._cloud.instances[instance])

    def stop_instance(self, instance: str) -> None:
        self._cloud.put_instance(replace(self._cloud.instances[instance], status="Stopped", change=None))

    def set_groups(self, eni: str, *groups: str) -> None:
        self._cloud.put(replace(self._cloud.enis[eni], security_groups=groups))

    def unstick(self, eni: str) -> None:
        """Let a change end now that was to take longer."""
        found = self._cloud.enis[eni]
        if found.change:
            self._cloud.put(replace(found, change=found.change._replace(due=self._cloud.now, describes=0)))

    def apply(self, fault: Outside) -> None:
        """What a script says; nothing if there is nothing to change any more."""
        if fault.change in ("release_instance", "stop_instance"):
            if fault.instance in self._cloud.instances:
                change = self.release_instance if fault.change == "release_instance" else self.stop_instance
                change(fault.instance)
            return
        eni = self._cloud.enis.get(fault.eni) if fault.eni else self._newest(fault.instance)
        if fault.change == "unassign_address":
            self._unassign(fault.address, eni)
        elif eni is None:
            return
        elif fault.change == "set_groups":
            self.set_groups(eni.id, *fault.groups)
        else:
            (self.detach_eni if fault.change == "detach_eni" else self.delete_eni)(eni.id)

    def _unassign(self, address: str, eni: Eni | None) -> None:
        if not address and eni and eni.secondary:
            address = str(eni.secondary[-1])
        owned = {str(each) for one in self._cloud.enis.values() for each in (*one.secondary, *one.ipv6)}
        if address in owned:
            self.unassign_address(address)

    def _newest(self, instance: str) -> Eni | None:
        enis = [each for each in self._cloud.enis_of(instance) if each.type is EniType.SECONDARY]
        return enis[-1] if instance and enis else None
