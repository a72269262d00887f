"""Label selectors: the string form that kubectl takes with `-l`, and `all()`.

    selector    = "" | "all()" | requirement { "," requirement }          a comma is AND
    requirement = key | "!" key | key ("=" | "==" | "!=" | "<" | ">") value | key ("in" | "notin") "(" values ")"

A node without the key matches `!key`, `!=` and `notin`, and nothing else (Kubernetes documentation, "Labels and
Selectors"). `<` and `>` compare 64-bit integers; a label that is no such integer does not match.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

BLANK = " \t\r\n"
_TOKEN = re.compile(r"==|!=|[=!<>(),]|[^=!<>(), \t\r\n]+")
_ALL = re.compile(r"all\([ \t\r\n]*\)")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_SUBDOMAIN = re.compile(rf"{_DNS_LABEL}(\.{_DNS_LABEL})*")
_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_INT64 = 1 << 63
_SHOWN = 120  # characters of a selector that an error repeats


class SelectorError(ValueError):
    """The text is no label selector; `column` counts characters from 1."""

    def __init__(self, expected: str, column: int, text: str) -> None:
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
        super().__init__(f"expected {expected} at column {column} of {shown!r}")
        self.column = column


class Operator(StrEnum):
    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    ABSENT = "!"
    LESS = "<"
    GREATER = ">"


class Requirement(NamedTuple):
    """One condition on one label; `values` are sorted and without repeats, exactly one for LESS and GREATER."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        if value is None:
            return self.operator in (Operator.ABSENT, Operator.NOT_IN)
        match self.operator:
            case Operator.IN:
                return value in self.values
            case Operator.NOT_IN:
                return value not in self.values
            case Operator.EXISTS:
                return True
            case Operator.ABSENT:
                return False
        number, bound = _int64(value), int(self.values[0])
        if number is None:
            return False
        return number < bound if self.operator is Operator.LESS else number > bound

    def __str__(self) -> str:
        match self.operator:
            case Operator.EXISTS:
                return self.key
            case Operator.ABSENT:
                return f"!{self.key}"
            case Operator.LESS | Operator.GREATER:
                return f"{self.key}{self.operator}{self.values[0]}"
        if len(self.values) == 1:
            return f"{self.key}{'=' if self.operator is Operator.IN else '!='}{self.values[0]}"
        return f"{self.key} {self.operator} ({','.join(self.values)})"


@dataclass(frozen=True, slots=True)
class Selector:
    """A parsed selector; equal for texts that differ only in order, repeats, blanks or spelling of equality."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Raises SelectorError. An empty or blank text, like `all()`, matches every node."""
        if _ALL.fullmatch(text.strip(BLANK)):
            return cls()
        return cls(tuple(sorted(set(_Parser(text, _TOKEN).requirements()))))

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        """The canonical text: `Selector.parse(str(s)) == s`."""
        return ",".join(map(str, self.requirements)) or "all()"


class Token(NamedTuple):
    text: str
    column: int


class TokenReader:
    """What recursive descent with one token of look-ahead needs; the last token is empty and marks the end."""

    def __init__(self, text: str, token: re.Pattern[str]) -> None:
        """:param token: a pattern of all tokens; what it passes over is blank."""
        start, end = len(text) - len(text.lstrip(BLANK)), len(text.rstrip(BLANK))
        self._text = text
        self._tokens = [Token(found.group(), found.start() + 1) for found in token.finditer(text, start, end)]
        self._tokens.append(Token("", end + 1))
        self._next = 0

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._peek()
        if token.text:
            self._next += 1
        return token

    def _expect(self, symbol: str, expected: str) -> None:
        token = self._take()
        if token.text != symbol:
            raise self._error(expected, token)

    def _error(self, expected: str, token: Token) -> SelectorError:
        return SelectorError(expected, token.column, self._text)


class _Parser(TokenReader):
    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        if not self._peek().text:
            return found
        while True:
            found.append(self._requirement())
            if not self._peek().text:
                return found
            self._expect(",", "',' or the end")

    def _requirement(self) -> Requirement:
        if self._peek().text == "!":
            self._take()
            return Requirement(self._key(), Operator.ABSENT)
        key = self._key()
        operator = self._peek().text
        if operator in ("", ","):
            return Requirement(key, Operator.EXISTS)
        self._take()
        match operator:
            case "=" | "==":
                return Requirement(key, Operator.IN, (self._value(),))
            case "!=":
                return Requirement(key, Operator.NOT_IN, (self._value(),))
            case "<" | ">":
                return Requirement(key, Operator(operator), (self._integer(),))
            case "in" | "notin":
                return Requirement(key, Operator(operator), self._values())
        raise self._error("one of = == != < > in notin, ',' or the end", self._tokens[self._next - 1])

    def _key(self) -> str:
        token = self._take()
        prefix, slash, name = token.text.rpartition("/")
        if not _NAME.fullmatch(name) or (slash and not (_DNS_SUBDOMAIN.fullmatch(prefix) and len(prefix) <= 253)):
            raise self._error("a label key", token)
        return token.text

    def _value(self) -> str:
        """A label value, which may be empty, that is: not there."""
        if self._peek().text in ("", ",", ")"):
            return ""
        token = self._take()
        if not _NAME.fullmatch(token.text):
            raise self._error("a label value", token)
        return token.text

    def _integer(self) -> str:
        token = self._take()
        number = _int64(token.text) if token.text.isdecimal() else None
        if number is None:
            raise self._error("a whole number of at most 64 bits", token)
        return str(number)

    def _values(self) -> tuple[str, ...]:
        self._expect("(", "'('")
        values = {self._value()}
        while self._peek().text == ",":
            self._take()
            values.add(self._value())
        self._expect(")", "',' or ')'")
        return tuple(sorted(values))


def _int64(text: str) -> int | None:
    """The integer that a label's value spells, or None if it spells none that 64 bits hold."""
    if not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if -_INT64 <= number < _INT64 else None
