"""Rules of `x-kubernetes-validations`: the part of CEL that schemas of CRDs commonly use.

There: literals, `self` and `oldSelf`, fields, indexes, operators, `has`, the macros `all`, `exists`, `exists_one`,
`filter` and `map`, conversions, the usual functions of strings and lists, `isIP` and `ip`, `isCIDR` and `cidr` with
their methods (functions.py has the list).
Not there: static types, the cost estimate, timestamps, durations, quantities, `messageExpression`, `optionalOldSelf`.
Whatever is not there makes the CRD be refused, so that no rule is left out in silence.
"""

from terway_edge.testing.apiserver.cel.rule import Rule
from terway_edge.testing.apiserver.cel.values import CelError

__all__ = ["CelError", "Rule"]
