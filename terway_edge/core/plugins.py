"""Finding and building plugins. Built-in backends come through the same door as strangers' ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points

import pluggy

from terway_edge.core.context import BackendContext
from terway_edge.core.errors import Refused
from terway_edge.core.hookspecs import PROJECT, Hooks

GROUP = "terway_edge.backends"


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A plugin as found: `hooks` without their prefix, `error` says why it cannot be used."""

    name: str
    distribution: str
    version: str
    origin: str
    hooks: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    info: PluginInfo
    factory: type | None


def find_plugins(disabled: Collection[str] = (), candidates: Iterable[EntryPoint] | None = None) -> list[Found]:
    """Import every entry point of the group. One that fails is returned with its error and harms no other."""
    found: dict[str, Found] = {}
    for entry in sorted(entry_points(group=GROUP) if candidates is None else candidates, key=_built_in_first):
        if entry.name in found:
            first = found[entry.name].info
            found[f"{entry.name} ({entry.value})"] = Found(_info(entry, f"name taken by {first.origin}"), None)
        elif entry.name in disabled:
            found[entry.name] = Found(_info(entry, "disabled by plugins.disabled"), None)
        else:
            found[entry.name] = _import(entry)
    return list(found.values())


def build_plugins(found: Iterable[Found], context: BackendContext) -> tuple[pluggy.PluginManager, list[PluginInfo]]:
    """Build and register each plugin; the manager holds those that work, the list tells about all.

    Raises Refused if a plugin implements a hook that does not exist (a misspelt name would be silently ignored).
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    infos = [_build(manager, plugin, context) for plugin in found]
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise Refused(f"a plugin implements a hook that does not exist: {error}") from error
    return manager, infos


def _build(manager: pluggy.PluginManager, plugin: Found, context: BackendContext) -> PluginInfo:
    info = plugin.info
    if plugin.factory is None:
        return info
    try:
        instance = plugin.factory(context)
        manager.register(instance, name=info.name)
    except Exception as error:  # noqa: BLE001 - a stranger's code must not take the agent down
        return replace(info, error=_reason(error))
    return info


def _import(entry: EntryPoint) -> Found:
    try:
        factory = entry.load()
    except Exception as error:  # noqa: BLE001 - a stranger's code must not take the agent down
        return Found(_info(entry, _reason(error)), None)
    if not isinstance(factory, type):
        return Found(_info(entry, f"{entry.value} is not a class"), None)
    names = [name for name in dir(factory) if name.startswith(f"{PROJECT}_")]
    for name in names:
        if not hasattr(getattr(factory, name), f"{PROJECT}_impl"):  # where pluggy's marker leaves its options
            problem = f"{entry.value}.{name} has no @hookimpl, so nobody would call it: mark it, or name it otherwise"
            return Found(_info(entry, problem), None)
    return Found(_info(entry, "", tuple(name.removeprefix(f"{PROJECT}_") for name in names)), factory)


def _info(entry: EntryPoint, error: str = "", hooks: tuple[str, ...] = ()) -> PluginInfo:
    distribution = entry.dist
    return PluginInfo(
        entry.name,
        distribution.name if distribution else "?",
        distribution.version if distribution else "?",
        entry.value,
        hooks,
        error,
    )


def _built_in_first(entry: EntryPoint) -> tuple[bool, str]:
    return (not entry.value.startswith("terway_edge."), entry.name)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
