"""The parameters of one call, read and typed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from terway_edge.core.addresses import Address, Prefix
from terway_edge.testing.openapi.errors import invalid

Tags = tuple[tuple[str, str], ...]
Value = str | int | bool | Address | Prefix | tuple[str, ...] | tuple[Address, ...] | tuple[Prefix, ...] | Tags


class Raw:
    """Parameters as they came. What is taken is gone, so what is left at the end is what nobody knows."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        for name, value in pairs:
            if name in self._values:
                raise invalid(name, "it is given twice")
            self._values[name] = value

    @property
    def left(self) -> list[str]:
        return sorted(self._values)

    def take(self, name: str) -> str | None:
        """The value, None if it is not given. The text None is what a client sends that forgot to leave it out."""
        value = self._values.pop(name, None)
        if value == "None":
            raise invalid(name, "it is the text None; leave the parameter out")
        return value

    def take_list(self, name: str, *parts: str) -> list[Mapping[str, str]]:
        """`name.1`, `name.2`..., or `name.1.part`... for objects; in a mapping by part, "" if there are no parts.

        Numbers start at 1 and leave none out.
        """
        pattern = re.compile(rf"{re.escape(name)}\.(0|[1-9]\d*)" + (rf"\.({'|'.join(parts)})" if parts else "()"))
        found: dict[int, dict[str, str]] = {}
        for given in list(self._values):
            if match := pattern.fullmatch(given):
                value = self.take(given)
                found.setdefault(int(match[1]), {})[match[2]] = value or ""
        for expected, number in enumerate(sorted(found), 1):
            if number != expected:
                raise invalid(f"{name}.{number}", f"{name}.{expected} is missing before it")
        return [found[number] for number in sorted(found)]


class Arguments:
    """Typed values by parameter name. Asking for one as another type than its field's is a mistake of ours."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, default: str = "") -> str:
        value = self._values.get(name, default)
        assert isinstance(value, str)
        return value

    def number(self, name: str, default: int = 0) -> int:
        value = self._values.get(name, default)
        assert isinstance(value, int)
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._values.get(name, default)
        assert isinstance(value, bool)
        return value

    def address(self, name: str) -> Address | None:
        value = self._values.get(name)
        assert value is None or isinstance(value, Address)
        return value

    def prefix(self, name: str) -> Prefix:
        value = self._values[name]
        assert isinstance(value, Prefix)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(each for each in self._items(name) if isinstance(each, str))

    def addresses(self, name: str) -> tuple[Address, ...]:
        return tuple(each for each in self._items(name) if isinstance(each, Address))

    def prefixes(self, name: str) -> tuple[Prefix, ...]:
        return tuple(each for each in self._items(name) if isinstance(each, Prefix))

    def tags(self, name: str = "Tag") -> Tags:
        return tuple((each[0], each[1]) for each in self._items(name) if isinstance(each, tuple))

    def _items(self, name: str) -> Sequence[object]:
        value = self._values.get(name, ())
        assert isinstance(value, tuple)
        return value
