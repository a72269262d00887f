"""Label expressions in the language of Calico's selectors, with AND, OR, NOT and brackets.

    expression = all-of { "||" all-of }
    all-of     = operand { "&&" operand }
    operand    = { "!" } ( "(" expression ")" | "has(" label ")" | "all()" | "global()" | label comparison )
    comparison = ( "==" | "!=" | "contains" | "starts with" | "ends with" ) text
               | ( "in" | "not in" ) "{" [ text { "," text } [ "," ] ] "}"

A text is in single or double quotes and has no escapes; the blank in `not in`, `starts with` and `ends with` may be
left out. Words are operators only after a label, so labels may be called `in` or `has`. A node without the label
matches `!=` and `not in`, and no other comparison. `global()` stands for what is in no namespace by its kind: no node.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from terway_edge.core.selectors import Token, TokenReader

MAX_DEPTH = 32
MAX_LABEL = 512  # characters
_TOKEN = re.compile(
    r"""(?:has|all|global)\(      # no blank before the bracket
      | &&|\|\||==|!=
      | '[^']*'|"[^"]*"
      | [A-Za-z0-9_./-]+
      | [^ \t]                    # brackets, and whatever must not be here""",
    re.VERBOSE,
)
_LABEL = re.compile(r"[A-Za-z0-9_./-]+")


class Comparator(StrEnum):
    """`==` and `!=` are IN and NOT_IN of one text."""

    IN = "in"
    NOT_IN = "not in"
    CONTAINS = "contains"
    STARTS_WITH = "starts with"
    ENDS_WITH = "ends with"


@dataclass(frozen=True, slots=True)
class Everything:
    def matches(self, _: Mapping[str, str]) -> bool:
        return True

    def __str__(self) -> str:
        return "all()"


@dataclass(frozen=True, slots=True)
class Nothing:
    def matches(self, _: Mapping[str, str]) -> bool:
        return False

    def __str__(self) -> str:
        return "global()"


@dataclass(frozen=True, slots=True)
class Has:
    label: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        return self.label in labels

    def __str__(self) -> str:
        return f"has({self.label})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`texts` are sorted and without repeats; exactly one unless the comparator is IN or NOT_IN."""

    label: str
    comparator: Comparator
    texts: tuple[str, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.label)
        if value is None:
            return self.comparator is Comparator.NOT_IN
        match self.comparator:
            case Comparator.IN:
                return value in self.texts
            case Comparator.NOT_IN:
                return value not in self.texts
            case Comparator.CONTAINS:
                return self.texts[0] in value
            case Comparator.STARTS_WITH:
                return value.startswith(self.texts[0])
            case Comparator.ENDS_WITH:
                return value.endswith(self.texts[0])
        assert_never(self.comparator)

    def __str__(self) -> str:
        texts = ", ".join(map(_quoted, self.texts))
        if self.comparator not in (Comparator.IN, Comparator.NOT_IN):
            return f"{self.label} {self.comparator} {texts}"
        if len(self.texts) == 1:
            return f"{self.label} {'==' if self.comparator is Comparator.IN else '!='} {texts}"
        return f"{self.label} {self.comparator} {{{texts}}}"


@dataclass(frozen=True, slots=True)
class Negation:
    """Not of a Negation, nor of a Comparison by IN or NOT_IN, which negate each other."""

    operand: Expression

    def matches(self, labels: Mapping[str, str]) -> bool:
        return not self.operand.matches(labels)

    def __str__(self) -> str:
        return f"!({self.operand})" if isinstance(self.operand, Conjunction | Disjunction) else f"!{self.operand}"


@dataclass(frozen=True, slots=True)
class Conjunction:
    """All of two or more operands, none of them a Conjunction; sorted by their text, without repeats."""

    operands: tuple[Expression, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(operand.matches(labels) for operand in self.operands)

    def __str__(self) -> str:
        return " && ".join(f"({o})" if isinstance(o, Disjunction) else str(o) for o in self.operands)


@dataclass(frozen=True, slots=True)
class Disjunction:
    """Any of two or more operands, none of them a Disjunction; sorted by their text, without repeats."""

    operands: tuple[Expression, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        return any(operand.matches(labels) for operand in self.operands)

    def __str__(self) -> str:
        return " || ".join(map(str, self.operands))


Expression = Everything | Nothing | Has | Comparison | Negation | Conjunction | Disjunction
"""Equal for texts that differ only in order, repeats, blanks, needless brackets or the kind of quotes."""


def parse_expression(text: str) -> Expression:
    """Raises SelectorError. `parse_expression(str(e)) == e`."""
    return _Parser(text, _TOKEN).parse()


class _Parser(TokenReader):
    _depth = 0

    def parse(self) -> Expression:
        found = self._any_of()
        self._expect("", "'&&', '||' or the end")
        return found

    def _any_of(self) -> Expression:
        operands = [self._all_of()]
        while self._peek().text == "||":
            self._take()
            operands.append(self._all_of())
        return _joined(Disjunction, operands)

    def _all_of(self) -> Expression:
        operands = [self._operand()]
        while self._peek().text == "&&":
            self._take()
            operands.append(self._operand())
        return _joined(Conjunction, operands)

    def _operand(self) -> Expression:
        negated = False
        while self._peek().text == "!":
            self._take()
            negated = not negated
        operand = self._plain_operand()
        return _negated(operand) if negated else operand

    def _plain_operand(self) -> Expression:
        token = self._take()
        match token.text:
            case "(":
                return self._bracketed(token)
            case "has(":
                label = self._label(self._take())
                self._expect(")", "')'")
                return Has(label)
            case "all(" | "global(":
                self._expect(")", "')'")
                return Everything() if token.text == "all(" else Nothing()
        return self._comparison(self._label(token))

    def _bracketed(self, token: Token) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"at most {MAX_DEPTH} nested brackets", token)
        found = self._any_of()
        self._expect(")", "'&&', '||' or ')'")
        self._depth -= 1
        return found

    def _comparison(self, label: str) -> Comparison:
        token = self._take()
        word = token.text
        if word in _FIRST_WORDS and self._peek().text == _FIRST_WORDS[word]:
            word += self._take().text
        match word:
            case "==" | "!=":
                return Comparison(label, Comparator.IN if word == "==" else Comparator.NOT_IN, (self._quoted(),))
            case "in" | "notin":
                return Comparison(label, Comparator.IN if word == "in" else Comparator.NOT_IN, self._set())
            case "contains" | "startswith" | "endswith":
                return Comparison(label, _SUBSTRINGS[word], (self._quoted(),))
        raise self._error("one of == != contains, starts with, ends with, in, not in", token)

    def _set(self) -> tuple[str, ...]:
        self._expect("{", "'{'")
        texts: set[str] = set()
        while self._peek().text != "}":
            texts.add(self._quoted())
            if self._peek().text != "}":
                self._expect(",", "',' or '}'")
        self._take()
        return tuple(sorted(texts))

    def _quoted(self) -> str:
        token = self._take()
        if len(token.text) < 2 or token.text[0] not in "'\"":
            raise self._error("a text in quotes", token)
        return token.text[1:-1]

    def _label(self, token: Token) -> str:
        if not _LABEL.fullmatch(token.text):
            raise self._error("a label, has(), all(), '!' or '('", token)
        if len(token.text) > MAX_LABEL:
            raise self._error(f"a label of at most {MAX_LABEL} characters", token)
        return token.text


_OPPOSITES = {Comparator.IN: Comparator.NOT_IN, Comparator.NOT_IN: Comparator.IN}
_FIRST_WORDS = {"not": "in", "starts": "with", "ends": "with"}
_SUBSTRINGS = {
    "contains": Comparator.CONTAINS,
    "startswith": Comparator.STARTS_WITH,
    "endswith": Comparator.ENDS_WITH,
}


def _quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"


def _negated(operand: Expression) -> Expression:
    if isinstance(operand, Negation):
        return operand.operand
    if isinstance(operand, Comparison) and operand.comparator in _OPPOSITES:
        return Comparison(operand.label, _OPPOSITES[operand.comparator], operand.texts)
    return Negation(operand)


def _joined(kind: type[Conjunction] | type[Disjunction], operands: Iterable[Expression]) -> Expression:
    """The operands as one expression of a kind, in canonical form."""
    flat: set[Expression] = set()
    for operand in operands:
        flat.update(operand.operands if isinstance(operand, kind) else (operand,))
    if len(flat) == 1:
        return flat.pop()
    return kind(tuple(sorted(flat, key=str)))
