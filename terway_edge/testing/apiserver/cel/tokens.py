"""Words of a CEL expression (the language definition's lexis, without bytes and triple quotes)."""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

from terway_edge.testing.apiserver.cel.values import CelError

_WORD = re.compile(
    r"""\s*(?:
    (?P<number>\d+\.\d+(?:[eE][+-]?\d+)?|0x[0-9a-fA-F]+|\d+)u?
    |(?P<text>[rR]?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>&&|\|\||[<>=!]=|[-+*/%<>!?:.,()\[\]{}])
    )""",
    re.VERBOSE,
)


class Token(NamedTuple):
    """`kind`: number, text, name, sign or end; `value`: what a literal stands for, else the word."""

    kind: str
    value: object


END = Token("end", "")


def tokens(expression: str) -> list[Token]:
    """Raises CelError."""
    found, at = [], 0
    while expression[at:].strip():
        match = _WORD.match(expression, at)
        if not match or match.lastgroup is None:
            raise CelError(f"Syntax error: token recognition error at: '{expression[at:].strip()[:20]}'")
        found.append(_token(match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return [*found, END]


def _token(kind: str, word: str) -> Token:
    if kind == "number":
        return Token(kind, float(word) if "." in word else int(word, 0) if word.startswith("0x") else int(word))
    if kind == "text":
        return Token(kind, word[2:-1] if word[0] in "rR" else ast.literal_eval(word))
    return Token(kind, word)
