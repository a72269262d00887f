"""Kinds of parameters: how each travels, and which values it takes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from terway_edge.core.addresses import Address, Prefix
from terway_edge.testing.openapi.arguments import Raw, Value
from terway_edge.testing.openapi.errors import invalid, missing

LONGEST = 4096
Item = TypeVar("Item")


class Field(Protocol):
    """A parameter. `read` takes it from a call; None if it is not given; raises ApiError with its name."""

    @property
    def name(self) -> str: ...

    @property
    def required(self) -> bool: ...

    def read(self, raw: Raw) -> Value | None: ...


@dataclass(frozen=True)
class Text:
    """Of so many characters; with `choices` one of them."""

    name: str
    required: bool = False
    shortest: int = 0
    longest: int = LONGEST
    choices: tuple[str, ...] = ()
    pattern: str = ""

    def read(self, raw: Raw) -> str | None:
        value = raw.take(self.name)
        if value is None:
            return None
        if self.required and not value:
            raise missing(self.name)
        if self.choices and value not in self.choices:
            raise invalid(self.name, f"{value!r} is none of {', '.join(self.choices)}")
        if not self.shortest <= len(value) <= self.longest:
            raise invalid(self.name, f"its length is not in {self.shortest} to {self.longest}")
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise invalid(self.name, f"it does not match {self.pattern}")
        return value


@dataclass(frozen=True)
class Number:
    """A decimal number in a range; out of it is refused, or with `clamps` moved to its nearer end."""

    name: str
    low: int = 0
    high: int = 2**31 - 1
    required: bool = False
    choices: tuple[int, ...] = ()
    clamps: bool = False

    def read(self, raw: Raw) -> int | None:
        text = raw.take(self.name)
        if text is None:
            return None
        if not re.fullmatch(r"-?\d{1,10}", text, re.ASCII):
            raise invalid(self.name, f"{text!r} is no number")
        value = int(text)
        if self.choices and value not in self.choices:
            raise invalid(self.name, f"{value} is none of {', '.join(map(str, self.choices))}")
        if self.clamps:
            return min(max(value, self.low), self.high)
        if not self.low <= value <= self.high:
            raise invalid(self.name, f"{value} is not in {self.low} to {self.high}")
        return value


@dataclass(frozen=True)
class Flag:
    """`true` or `false`, in small letters as documented."""

    name: str
    required: bool = False

    def read(self, raw: Raw) -> bool | None:
        text = raw.take(self.name)
        if text not in (None, "true", "false"):
            raise invalid(self.name, f"{text!r} is neither true nor false")
        return None if text is None else text == "true"


@dataclass(frozen=True)
class Ip:
    name: str
    family: int = 4
    required: bool = False

    def read(self, raw: Raw) -> Address | None:
        text = raw.take(self.name)
        return None if text is None else _address(self.name, text, self.family)


@dataclass(frozen=True)
class Cidr:
    name: str
    required: bool = False

    def read(self, raw: Raw) -> Prefix | None:
        text = raw.take(self.name)
        return None if text is None else _prefix(self.name, text)


@dataclass(frozen=True)
class Texts:
    """`name.1`, `name.2`...: a list of ids, none empty."""

    name: str
    most: int = 100
    required: bool = False

    def read(self, raw: Raw) -> tuple[str, ...] | None:
        return _list(self.name, raw, self.most, lambda name, text: text)


@dataclass(frozen=True)
class Ips:
    """`name.1`, `name.2`...: addresses of one family."""

    name: str
    family: int = 4
    most: int = 100
    required: bool = False

    def read(self, raw: Raw) -> tuple[Address, ...] | None:
        return _list(self.name, raw, self.most, lambda name, text: _address(name, text, self.family))


@dataclass(frozen=True)
class Cidrs:
    """`name.1`, `name.2`...: prefixes, of one length if `length` is given."""

    name: str
    length: int = 0
    most: int = 10
    required: bool = False

    def read(self, raw: Raw) -> tuple[Prefix, ...] | None:
        found = _list(self.name, raw, self.most, _prefix)
        for prefix in found or ():
            if self.length and prefix.length != self.length:
                raise invalid(self.name, f"{prefix} is no /{self.length}")
        return found


@dataclass(frozen=True)
class JsonTexts:
    """A JSON array of texts in one parameter."""

    name: str
    most: int = 100
    required: bool = False

    def read(self, raw: Raw) -> tuple[str, ...] | None:
        text = raw.take(self.name)
        if text is None:
            return None
        try:
            found = json.loads(text)
        except ValueError:
            raise invalid(self.name, f"{text!r} is no JSON") from None
        if not isinstance(found, list) or not all(isinstance(each, str) and each for each in found):
            raise invalid(self.name, f"{text!r} is no JSON array of texts")
        if not 1 <= len(found) <= self.most:
            raise invalid(self.name, f"it has {len(found)} items, 1 to {self.most} are allowed")
        return tuple(found)


@dataclass(frozen=True)
class TagList:
    """`Tag.1.Key`, `Tag.1.Value`...: at most 20. (ECS answers with TagKey and TagValue.)"""

    name: str = "Tag"
    most: int = 20
    required: bool = False

    def read(self, raw: Raw) -> tuple[tuple[str, str], ...] | None:
        found = raw.take_list(self.name, "Key", "Value")
        if len(found) > self.most:
            raise invalid(self.name, f"{len(found)} tags are more than {self.most}")
        for number, tag in enumerate(found, 1):
            self._check(number, tag.get("Key", ""))
        return tuple((tag["Key"], tag.get("Value", "")) for tag in found) or None

    def _check(self, number: int, key: str) -> None:
        if not key:
            raise missing(f"{self.name}.{number}.Key")
        if len(key) > 128 or key.startswith(("aliyun", "acs:")) or "http://" in key or "https://" in key:
            raise invalid(f"{self.name}.{number}.Key", f"{key!r} cannot be a tag's key")


def _list(name: str, raw: Raw, most: int, read: Callable[[str, str], Item]) -> tuple[Item, ...] | None:
    texts = [each[""] for each in raw.take_list(name)]
    if len(texts) > most:
        raise invalid(name, f"{len(texts)} items are more than {most}")
    for number, text in enumerate(texts, 1):
        if not text:
            raise invalid(f"{name}.{number}", "it is empty")
    return tuple(read(f"{name}.{number}", text) for number, text in enumerate(texts, 1)) or None


def _address(name: str, text: str, family: int) -> Address:
    try:
        address = Address.parse(text)
    except ValueError:
        raise invalid(name, f"{text!r} is no address") from None
    if address.family != family:
        raise invalid(name, f"{text!r} is no IPv{family} address")
    return address


def _prefix(name: str, text: str) -> Prefix:
    try:
        return Prefix.parse(text)
    except ValueError:
        raise invalid(name, f"{text!r} is no CIDR block") from None
