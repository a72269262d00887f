"""Which nodes a BGPPeer is about: `all()`, a Kubernetes label selector, or a Calico expression."""

from __future__ import annotations

import re

from terway_edge.core.expressions import Everything, Expression, parse_expression
from terway_edge.core.selectors import Selector, SelectorError

MAX_LENGTH = 1024  # characters, as in Calico

NodeSelector = Selector | Expression
"""Both match the labels of a node, are equal for texts that differ in order and spelling only, and have a canonical
text that reads as the same again, unless it is longer than MAX_LENGTH."""

_ONLY_CALICO = re.compile(r"""&&|\|\||['"{}]|\b(?:all|has|global)\(""")
"""What no Kubernetes selector contains, but for a lone `all()`."""


def parse_node_selector(text: str) -> NodeSelector:
    """Raises SelectorError. A blank text is `all()`; one that both languages know is Kubernetes'."""
    if len(text) > MAX_LENGTH:
        raise SelectorError(f"the end (at most {MAX_LENGTH} characters)", MAX_LENGTH + 1, text)
    if not _ONLY_CALICO.search(text):
        return Selector.parse(text)
    found = parse_expression(text)
    return Selector() if found == Everything() else found
