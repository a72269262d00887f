"""The reference page of what plugins get and give: the context with its services, the values in hooks, the errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from enum import Enum

from terway_edge.core import addresses, context, errors, models, ports
from terway_edge.core.ipam import Ipam
from terway_edge.core.plumbing import Plumbing

VALUES: tuple[type, ...] = (
    models.Sandbox,
    models.Bandwidth,
    models.PortMapping,
    models.Lease,
    models.Attachment,
    models.Node,
    models.Member,
    models.Uplink,
    models.NodeView,
    models.Selection,
    models.Scope,
    models.Route,
    models.RouteSet,
    models.Condition,
    models.Discrepancy,
    models.Report,
    models.StopReason,
    addresses.Address,
    addresses.Prefix,
    ports.Event,
    ports.Severity,
    ports.StatusEntry,
    ports.Annotation,
)
SERVICES: dict[str, type] = {
    "ipam": Ipam,
    "plumbing": Plumbing,
    "clock": ports.Clock,
    "events": ports.Events,
    "statuses": ports.Statuses,
    "annotations": ports.Annotations,
}
ERRORS = (errors.Retry, errors.Refused, errors.Conflict, errors.Bug)
OF_THE_AGENT = ("load", "adopt")  # methods that it calls before there are plugins


def values_page() -> str:
    types = inspect.get_annotations(context.BackendContext)
    parts = [
        "# Values and services of a plugin",
        "",
        "What [hooks](hooks.md) are called with and return, and what a plugin is built with. Values are immutable;",
        "services may be called from any thread.",
        "",
        "Generated from `terway_edge/core` by `./dev docs`.",
        "",
        "```python",
        "from terway_edge.core.context import BackendContext",
        "from terway_edge.core.hookspecs import hookimpl",
        *_imports(),
        "```",
        "",
        "## `BackendContext`",
        "",
        _about(context.BackendContext),
        "",
        f"Members: {', '.join(f'`{name}: {kind}`' for name, kind in types.items())}. `Kernel`, `Firewall` and",
        "`ConfigMaps` are described in `terway_edge/core/ports.py`, `Clouds` in `terway_edge/core/cloud.py`;",
        "`settings` has a member for each key of the [configuration](configuration.md): `settings.log.level`.",
    ]
    for member, service in SERVICES.items():
        parts += ["", f"## `context.{member}`", "", *_methods(service)]
    for value in VALUES:
        parts += ["", f"## `{value.__name__}`", "", "```python", *_shape(value), "```", "", _about(value)]
        parts += ["", *_methods(value)] if _methods(value) else []
    parts += ["", "## Errors", "", "| raise | which means | CNI code |", "|---|---|---|"]
    parts += [f"| `{error.__name__}` | {_about(error)} | {error.code} |" for error in ERRORS]
    parts += ["", f"Each is called with a message for the operator: `Retry{_signature(errors.Retry)}`."]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)) + "\n"


def _imports() -> Iterator[str]:
    """One line for each module, or several if it would be too long."""
    modules: dict[str, list[str]] = {}
    for value in (*VALUES, *ERRORS):
        modules.setdefault(value.__module__, []).append(value.__name__)
    for module, names in modules.items():
        line = f"from {module} import {', '.join(names)}"
        yield from [line] if len(line) <= 120 else [f"from {module} import (", *(f"    {n}," for n in names), ")"]


def _shape(value: type) -> list[str]:
    """A call that names every field, or the members of an enumeration."""
    if issubclass(value, Enum):
        return [f"{value.__name__}.{member.name}" for member in value]
    fields = _signature(value).removesuffix(")").partition("(")[2]
    return [f"{value.__name__}(", *(f"    {field}," for field in re.split(r", (?=\w+: )", fields)), ")"]


def _methods(owner: type) -> list[str]:
    """One item for each method and property that the class itself has, in its order."""
    lines = []
    for name, item in vars(owner).items():
        if name.startswith("_") or name in OF_THE_AGENT:
            continue
        if isinstance(item, property) and item.fget is not None:
            kind = inspect.signature(item.fget).return_annotation
            lines.append(f"- `{name}: {kind}`{_summary(item)}")
        elif isinstance(item, classmethod):
            lines.append(f"- `{owner.__name__}.{name}{_signature(item.__func__)}`{_summary(item)}")
        elif inspect.isfunction(item):
            lines.append(f"- `{name}{_signature(item)}`{_summary(item)}")
    return lines


def _signature(function: Callable[..., object]) -> str:
    """As written in the source, without self, and without the quotes of annotations that are text."""
    text = re.sub(r"^\((self|cls|_cls)(, )?", "(", str(inspect.signature(function)))
    text = re.sub(r"(: |-> )(?:ForwardRef\('([^']*)'\)|'([^']*)')", r"\1\2\3", text).replace("<factory>", "{}")
    return re.sub(r"<(\w+\.\w+): [^>]*>", r"\1", text).removesuffix(" -> None")


def _summary(item: object) -> str:
    text = re.sub(r":param (\w+):", r"`\1`:", " ".join(_about(item).split()))
    return f": {text}" if text else ""


def _about(item: object) -> str:
    """The item's own docstring: none that it inherits, or that was made up for it."""
    text = inspect.cleandoc(getattr(item, "__doc__", None) or "")
    return "" if text.startswith((f"{getattr(item, '__name__', '')}(", "Alias for")) else text
