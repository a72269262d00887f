"""Answers of the API, read by name with the type that is expected."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from terway_edge.cloud.failures import not_understood
from terway_edge.cloud.requests import Action
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.brief import shown
from terway_edge.core.cloud import CloudError

LONGEST_NUMBER = 18  # digits


class Answer:
    """A JSON object; what is absent reads as empty. Whatever has another type than asked for raises CloudError, cause
    UNAVAILABLE: nobody knows then what the call did."""

    __slots__ = ("_fields", "action")

    def __init__(self, action: Action, fields: Mapping[str, object]) -> None:
        self.action = action
        self._fields = fields

    def text(self, name: str) -> str:
        value = self._fields.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._wrong(name, value)
        return value

    def number(self, name: str) -> int:
        """Also one that is written as a text."""
        value = self._fields.get(name)
        if value is None or value == "":
            return 0
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= LONGEST_NUMBER:
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(name, value)
        return value

    def flag(self, name: str) -> bool:
        value = self._fields.get(name)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(name, value)
        return bool(value)

    def address(self, name: str) -> Address | None:
        return self._parsed_address(name, self.text(name))

    def prefix(self, name: str) -> Prefix | None:
        value = self.text(name)
        try:
            return Prefix.parse(value) if value else None
        except ValueError:
            raise self._wrong(name, value) from None

    def mac(self, name: str) -> bytes:
        """6 bytes, or none."""
        value = self.text(name)
        try:
            found = bytes.fromhex(value.replace(":", ""))
        except ValueError:
            raise self._wrong(name, value) from None
        if len(found) not in (0, 6):
            raise self._wrong(name, value)
        return found

    def section(self, name: str) -> Answer:
        value = self._fields.get(name)
        if value is None:
            return Answer(self.action, {})
        if not isinstance(value, dict):
            raise self._wrong(name, value)
        return Answer(self.action, value)

    def items(self, path: str) -> list[Answer]:
        """Objects in a list, such as of `NetworkInterfaceSets.NetworkInterfaceSet`."""
        found = []
        for each in self._list(path):
            if not isinstance(each, dict):
                raise self._wrong(path, each)
            found.append(Answer(self.action, each))
        return found

    def texts(self, path: str) -> list[str]:
        found = []
        for each in self._list(path):
            if not isinstance(each, str):
                raise self._wrong(path, each)
            found.append(each)
        return found

    def addresses(self, path: str) -> list[Address]:
        parsed = [self._parsed_address(path, each) for each in self.texts(path)]
        return [each for each in parsed if each is not None]

    def prefixes(self, path: str) -> list[Prefix]:
        try:
            return [Prefix.parse(each) for each in self.texts(path)]
        except ValueError as error:
            raise self._wrong(path, str(error)) from None

    def _list(self, path: str) -> list[object]:
        *sections, name = path.split(".")
        value = reduce(Answer.section, sections, self)._fields.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(path, value)
        return value

    def _parsed_address(self, name: str, value: str) -> Address | None:
        try:
            return Address.parse(value) if value else None
        except ValueError:
            raise self._wrong(name, value) from None

    def _wrong(self, name: str, value: object) -> CloudError:
        return not_understood(self.action, f"the answer has {shown(value)} as {name}, which cannot be")
