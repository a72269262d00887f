"""CEL's operators. Types do not mix, but numbers compare with numbers."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from terway_edge.testing.apiserver.cel.values import CelError, Expression, Scope


def logical(left: Expression, right: Expression, decides: bool) -> Expression:
    """`||` (decided by true) and `&&` (by false): either side decides, whatever is wrong with the other."""

    def found(scope: Scope) -> bool:
        problem = None
        for side in (left, right):
            try:
                if _truth(side(scope)) == decides:
                    return decides
            except CelError as error:
                problem = error
        if problem:
            raise problem
        return not decides

    return found


def conditional(test: Expression, yes: Expression, no: Expression) -> Expression:
    return lambda scope: yes(scope) if _truth(test(scope)) else no(scope)


def opposite(side: Expression) -> Expression:
    return lambda scope: not _truth(side(scope))


def negate(side: Expression) -> Expression:
    def found(scope: Scope) -> Any:
        value = side(scope)
        if not _is_number(value):
            raise CelError("no such overload: -")
        return -value

    return found


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise CelError("no such overload: a bool is wanted")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    return bool(left == right)


def _comparing(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def found(left: Any, right: Any) -> Any:
        if not (_is_number(left) and _is_number(right)) and not (isinstance(left, str) and isinstance(right, str)):
            raise CelError("no such overload: values of these types have no order")
        return compare(left, right)

    return found


def _add(left: Any, right: Any) -> Any:
    if type(left) is type(right) and isinstance(left, str | list):
        return left + right
    return _calculated(operator.add)(left, right)


def _divide(left: Any, right: Any) -> Any:
    if isinstance(left, float):
        return left / right if right else math.copysign(math.inf, left)
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _calculated(calculate: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def found(left: Any, right: Any) -> Any:
        if not _is_number(left) or type(left) is not type(right):
            raise CelError("no such overload: two numbers of one type are wanted")
        try:
            return calculate(left, right)
        except ZeroDivisionError:
            raise CelError("division by zero") from None

    return found


def _among(value: Any, values: Any) -> bool:
    if not isinstance(values, list | dict):
        raise CelError("no such overload: in")
    return any(equal(value, each) for each in values)


def _binary(calculate: Callable[[Any, Any], Any]) -> Callable[[Expression, Expression], Expression]:
    return lambda left, right: lambda scope: calculate(left(scope), right(scope))


BINARY = {
    "==": _binary(equal),
    "!=": _binary(lambda left, right: not equal(left, right)),
    "<": _binary(_comparing(operator.lt)),
    "<=": _binary(_comparing(operator.le)),
    ">": _binary(_comparing(operator.gt)),
    ">=": _binary(_comparing(operator.ge)),
    "in": _binary(_among),
    "+": _binary(_add),
    "-": _binary(_calculated(operator.sub)),
    "*": _binary(_calculated(operator.mul)),
    "/": _binary(_calculated(_divide)),
    "%": _binary(_calculated(lambda left, right: left - right * _divide(left, right))),
}
