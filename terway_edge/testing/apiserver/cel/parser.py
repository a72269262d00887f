"""A CEL expression as one function of its scope; by precedence climbing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from terway_edge.testing.apiserver.cel.functions import FUNCTIONS, METHODS
from terway_edge.testing.apiserver.cel.macros import MACROS, has
from terway_edge.testing.apiserver.cel.operators import BINARY, conditional, logical, negate, opposite
from terway_edge.testing.apiserver.cel.tokens import Token, tokens
from terway_edge.testing.apiserver.cel.values import CelError, Expression, Scope

LITERALS: Mapping[str, Any] = {"true": True, "false": False, "null": None}
LEVELS = (("||",), ("&&",), ("<", "<=", ">", ">=", "==", "!=", "in"), ("+", "-"), ("*", "/", "%"))
DEEPEST = 100


class Parser:
    """Raises CelError from `parse`; `names` are the variables that the expression uses."""

    def __init__(self, text: str, variables: frozenset[str]) -> None:
        self._tokens = tokens(text)
        self._known = set(variables)
        self._depth = 0
        self.names: set[str] = set()

    def parse(self) -> Expression:
        found = self._conditional()
        if self._peek.kind != "end":
            raise CelError(f"Syntax error: unexpected '{self._peek.value}'")
        return found

    @property
    def _peek(self) -> Token:
        return self._tokens[0]

    def _take(self, *signs: str) -> object | None:
        """The next word if it is one of these."""
        if self._peek.kind in ("sign", "name") and self._peek.value in signs:
            return self._tokens.pop(0).value
        return None

    def _want(self, sign: str) -> None:
        if not self._take(sign):
            raise CelError(f"Syntax error: expected '{sign}' before '{self._peek.value}'")

    def _name(self) -> str:
        if self._peek.kind != "name":
            raise CelError(f"Syntax error: expected a name before '{self._peek.value}'")
        return str(self._tokens.pop(0).value)

    def _conditional(self) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST:
            raise CelError("the expression is nested too deeply")
        found = self._binary(0)
        if self._take("?"):
            yes = self._binary(0)
            self._want(":")
            found = conditional(found, yes, self._conditional())
        self._depth -= 1
        return found

    def _binary(self, level: int) -> Expression:
        if level == len(LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while sign := self._take(*LEVELS[level]):
            right = self._binary(level + 1)
            left = logical(left, right, sign == "||") if sign in ("||", "&&") else BINARY[str(sign)](left, right)
        return left

    def _unary(self) -> Expression:
        if self._take("!"):
            return opposite(self._unary())
        if self._take("-"):
            return negate(self._unary())
        return self._member(self._primary())

    def _member(self, target: Expression) -> Expression:
        while True:
            if self._take("."):
                name = self._name()
                target = self._call_on(target, name) if self._take("(") else _select(target, name)
            elif self._take("["):
                target = _index(target, self._conditional())
                self._want("]")
            else:
                return target

    def _call_on(self, target: Expression, name: str) -> Expression:
        if name in MACROS:
            return self._macro(target, name)
        return _called(METHODS, name, [target, *self._arguments(")")])

    def _macro(self, target: Expression, name: str) -> Expression:
        variable = self._name()
        self._want(",")
        is_new = variable not in self._known
        self._known.add(variable)
        body = self._conditional()
        if is_new:
            self._known.discard(variable)
        self._want(")")
        return MACROS[name](target, variable, body)

    def _arguments(self, end: str) -> list[Expression]:
        found: list[Expression] = []
        while not self._take(end):
            if found:
                self._want(",")
            found.append(self._conditional())
        return found

    def _primary(self) -> Expression:
        token = self._tokens.pop(0) if self._peek.kind != "end" else self._peek
        if token.kind in ("number", "text"):
            return _constant(token.value)
        if token.kind == "name":
            return self._named(str(token.value))
        if token.value == "(":
            found = self._conditional()
            self._want(")")
            return found
        if token.value == "[":
            items = self._arguments("]")
            return lambda scope: [each(scope) for each in items]
        raise CelError(f"Syntax error: unexpected '{token.value}'")

    def _named(self, name: str) -> Expression:
        if name in LITERALS:
            return _constant(LITERALS[name])
        if self._take("("):
            if name == "has":
                return self._has()
            return _called(FUNCTIONS, name, self._arguments(")"))
        if name not in self._known:
            raise CelError(f"undeclared reference to '{name}'")
        self.names.add(name)
        return lambda scope: scope[name]

    def _has(self) -> Expression:
        """`has(a.b.c)`: all but the last step must be there."""
        target = self._primary()
        while True:
            self._want(".")
            name = self._name()
            if self._take(")"):
                return has(target, name)
            target = _select(target, name)


def _constant(value: Any) -> Expression:
    return lambda _: value


def _select(target: Expression, name: str) -> Expression:
    def found(scope: Scope) -> Any:
        value = target(scope)
        if not isinstance(value, dict) or name not in value:
            raise CelError(f"no such key: {name}")
        return value[name]

    return found


def _index(target: Expression, index: Expression) -> Expression:
    def found(scope: Scope) -> Any:
        value, at = target(scope), index(scope)
        if isinstance(value, dict) and at in value:
            return value[at]
        if isinstance(value, list) and isinstance(at, int) and 0 <= at < len(value):
            return value[at]
        raise CelError(f"no such key or index: {at}")

    return found


def _called(known: Mapping[str, Callable[..., Any]], name: str, arguments: list[Expression]) -> Expression:
    if name not in known:
        raise CelError(f"undeclared reference to '{name}' (or not known to this server)")
    function = known[name]

    def found(scope: Scope) -> Any:
        values = [each(scope) for each in arguments]
        try:
            return function(*values)
        except (TypeError, AttributeError, ValueError) as error:
            raise CelError(f"no such overload: {name}: {error}") from None

    return found
