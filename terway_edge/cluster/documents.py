"""Text to documents: JSON, or YAML by libyaml, with repeated keys refused in both.

JSON is tried first wherever it may be, for it is read fifty times as fast; `yaml` is imported when the first YAML
text is seen, never by an agent whose files are all JSON.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node


MAX_DEPTH = 500


class DocumentError(ValueError):
    """The text cannot be read; one line that says where in it and why."""


def parse(text: str, *, yaml: bool) -> list[Any]:
    """The documents of a text that are not null: at most one for JSON, any number if `yaml` allows YAML.

    Raises DocumentError.
    """
    try:
        if not yaml:
            documents = [_json(text)]
        elif text.lstrip()[:1] in ("{", "["):
            documents = _json_else_yaml(text)
        else:
            documents = _yaml(text)
    except RecursionError:
        raise DocumentError("is nested too deeply") from None
    return [document for document in documents if document is not None]


def _json(text: str) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text, object_pairs_hook=_mapping)
    except json.JSONDecodeError as error:
        message = f"line {error.lineno}, column {error.colno}: is no JSON: {error.msg}"
        raise DocumentError(message) from None
    except DocumentError:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise DocumentError(f"is no JSON: {_one_line(str(error))}") from None


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise DocumentError(f"the key {twice!r} appears twice in one mapping; remove one")
    return found


def _json_else_yaml(text: str) -> list[Any]:
    try:
        return [json.loads(text, object_pairs_hook=_mapping)]
    except DocumentError:
        raise
    except ValueError:
        return _yaml(text)  # YAML's flow style begins as JSON does


def _yaml(text: str) -> list[Any]:
    import yaml

    try:
        _refuse_deep(text)
        return list(yaml.load_all(text, _loader()))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise DocumentError(f"{where}is no YAML: {_one_line(error.problem or error.context)}") from None
    except yaml.YAMLError as error:
        raise DocumentError(f"is no YAML: {_one_line(str(error))}") from None
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        # What PyYAML's constructors raise for a scalar that does not fit its tag, such as `!!int ""`.
        raise DocumentError(f"is no YAML: a value does not fit its tag ({_one_line(str(error))})") from None


def _refuse_deep(text: str) -> None:
    """Raises RecursionError for nesting on which libyaml's recursive composer would overflow the stack and die."""
    longest = max(map(len, text.splitlines()), default=0)
    if longest + text.count("[") + text.count("{") < MAX_DEPTH:
        return  # each level takes a bracket, or a column of some line
    import yaml

    depth = 0
    for event in yaml.parse(text, _loader()):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise RecursionError
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


@cache
def _loader() -> Any:
    """CSafeLoader (SafeLoader where PyYAML came without libyaml) that refuses repeated keys and leaves dates text."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        yaml_implicit_resolvers = {  # noqa: RUF012 - how PyYAML declares them
            first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
            for first, resolvers in base.yaml_implicit_resolvers.items()
        }

        def __init__(self, stream: str) -> None:
            super().__init__(stream)
            self._flat: set[Node] = set()

        def flatten_mapping(self, node: MappingNode) -> None:
            # Merged keys (`<<`) may repeat others, so keys are compared once, before anything is merged in.
            if node not in self._flat:
                self._flat.add(node)
                _refuse_repeated(node)
            super().flatten_mapping(node)

    return Loader


def _refuse_repeated(node: MappingNode) -> None:
    from yaml.constructor import ConstructorError

    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if not isinstance(key.value, str):
            continue  # not hashable: the constructor refuses it
        name = (key.tag, key.value)
        if name in seen:
            raise ConstructorError(None, None, f"the key {key.value!r} appears twice in one mapping", key.start_mark)
        seen.add(name)


def _one_line(text: str | None) -> str:
    return " ".join((text or "unreadable").split())
