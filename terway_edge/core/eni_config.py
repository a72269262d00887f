"""Terway's ConfigMap `eni-config`, read as it is, and what becomes of each of its keys.

A key that is wrong counts as absent, so that one typing error does not stop a node from serving pods; only where its
absence is dangerous nothing is read at all (`UNSAFE` says where and why). Keys that nobody knows are told and left
alone, as Terway leaves them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from terway_edge.core.config_error import faults, nearest
from terway_edge.core.eni_documents import CHAINED, Document, other_plugins, own_plugin, parse_document
from terway_edge.core.eni_keys import CniConf, EniConf, EniConfig, Part
from terway_edge.core.eni_names import notes_on_actions
from terway_edge.core.eni_notes import Effect, Note, path
from terway_edge.core.eni_rules import corrections
from terway_edge.core.eni_unused import CNI_CONF, DATA, ENI_CONF, Unused
from terway_edge.core.merge_patch import merge_patch

NAME, NAMESPACE = "eni-config", "kube-system"
NODE_LABEL = "terway-config"
"""A node's label that names the ConfigMap, in NAMESPACE, whose eni_conf changes that of NAME for the node."""

ENI, CNI, CONFLIST = "eni_conf", "10-terway.conf", "10-terway.conflist"
NO_NETWORK = "it says which network pods are in"
UNSAFE = {
    "vswitches": "pods could get addresses of another network",
    "security_group": "pods could be open to others",
    "security_groups": "pods could be open to others",
    "eni_tag_filter": "ENIs of others could be used",
    "eni_tag_block_list": "ENIs of others could be used",
    "ip_stack": "pods could get addresses of the wrong families",
    "enable_ip_prefix": "single addresses would take the place of prefixes",
}
"""Keys of eni_conf that must not count as absent if they are wrong, and why."""


class Reading(NamedTuple):
    """`config` is None if something is wrong that must not be guessed around; `notes` follow the keys' order."""

    config: EniConfig | None
    notes: tuple[Note, ...]


def read(data: Mapping[str, object], node: Mapping[str, object] | None = None) -> Reading:
    """The configuration of a node from the `data` of ConfigMap NAME and of the one that the node's label names."""
    reader = _Reader()
    eni = reader.patched(reader.document(data, ENI), node)
    above, cni = reader.plugin(data)
    values = {
        **reader.values(eni, EniConf, ENI_CONF, ENI, _keys(node, ENI)),
        **reader.values(cni, CniConf, CNI_CONF, above),
    }
    reader.rest(data)
    config = reader.corrected(EniConfig.model_validate(values), above)
    return Reading(config if reader.is_safe else None, tuple(reader.notes))


def explain(data: Mapping[str, object], node: Mapping[str, object] | None = None) -> list[Note]:
    """What becomes of each key."""
    return list(read(data, node).notes)


class _Reader:
    """Collects notes while it reads."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self.is_safe = True

    def wrong(self, key: str, message: str, danger: str = "") -> None:
        end = f"; nothing is read until it is corrected: {danger}" if danger else "; it counts as absent"
        self.notes.append(Note(key, Effect.WRONG, message + end))
        self.is_safe &= not danger

    def document(self, data: Mapping[str, object], name: str) -> Document:
        """Of the ConfigMap NAME; only eni_conf must be there."""
        text = data.get(name)
        if text in (None, ""):
            if name == ENI:
                self.wrong(name, "is missing, add it", NO_NETWORK)
            return {}
        try:
            return parse_document(text)
        except ValueError as error:
            self.wrong(name, str(error), NO_NETWORK if name == ENI else "")
            return {}

    def patched(self, document: Document, node: Mapping[str, object] | None) -> Document:
        """With the node's own changes; what of its ConfigMap cannot be read counts as absent, as Terway has it."""
        if node is None:
            return document
        for key in node:
            if key != ENI:
                message = f"of a node's ConfigMap only {ENI} is read"
                self.notes.append(Note(path(NODE_LABEL, key), Effect.WITHOUT_EFFECT, message))
        try:
            merged: Document = merge_patch(document, parse_document(node.get(ENI) or "{}"))
            return merged
        except (ValueError, RecursionError) as error:
            self.wrong(path(NODE_LABEL, ENI), str(error))
        return document

    def plugin(self, data: Mapping[str, object]) -> tuple[str, Document]:
        """The configuration of Terway's plugin, after where it stands."""
        if not data.get(CONFLIST):
            return CNI, self.document(data, CNI)
        if CNI in data:
            self.notes.append(Note(CNI, Effect.WITHOUT_EFFECT, f"{CONFLIST} takes its place"))
        conflist = self.document(data, CONFLIST)
        try:
            others, own = other_plugins(conflist), own_plugin(conflist)
        except ValueError as error:
            self.wrong(path(CONFLIST, "plugins"), str(error))
            return CONFLIST, {}
        for name in others:
            effect, message = CHAINED.get(name, (Effect.NOT_DONE, "no plugins are chained after the agent's"))
            self.notes.append(Note(path(CONFLIST, "plugins", name), effect, message))
        return CONFLIST, {**{key: value for key, value in conflist.items() if key != "plugins"}, **own}

    def values(
        self,
        document: Document,
        model: type[Part],
        unused: Mapping[str, Unused],
        above: str,
        from_node: Iterable[str] = (),
    ) -> dict[str, Any]:
        """Those of the model's keys that are right, as they were written; a note on each key of the document."""
        descriptions = {field.alias or name: field.description or "" for name, field in model.model_fields.items()}
        mistakes = _mistakes(document, model, above)
        right: dict[str, Any] = {}
        for key, value in document.items():
            where = path(above, key)
            suffix = "; as the node's ConfigMap has it" if key in from_node else ""
            if key in mistakes:
                for field, message in mistakes[key]:
                    self.wrong(field, message + suffix, UNSAFE.get(key, ""))
            elif key in descriptions:
                right[key] = value
                self.notes.append(Note(where, Effect.HONOURED, descriptions[key] + suffix))
                if key == "rate_limit" and value:
                    self.notes += notes_on_actions(above, key, value)
            else:
                self.notes.append(_judged(where, key, value, unused, [*descriptions, *unused]))
        return right

    def rest(self, data: Mapping[str, object]) -> None:
        """Notes on the ConfigMap's keys that are no documents."""
        for key, value in data.items():
            if key in (ENI, CNI, CONFLIST):
                continue
            if key in DATA and not isinstance(value, str):
                self.wrong(key, "expected text; write it in quotes")
            else:
                self.notes.append(_judged(path(key), key, value, DATA, (ENI, CNI, CONFLIST, *DATA)))

    def corrected(self, config: EniConfig, above: str) -> EniConfig:
        for key, message, update in corrections(config):
            where = path(above if key in CniConf.model_fields else ENI, key)
            self.notes = [note for note in self.notes if note.key != where]
            self.notes.append(Note(where, Effect.WRONG, message))
            config = config.model_copy(update=dict(update))
        return config


def _mistakes(document: Document, model: type[Part], above: str) -> dict[str, list[tuple[str, str]]]:
    """(field, what is wrong with it) by key."""
    found: dict[str, list[tuple[str, str]]] = {}
    try:
        model.model_validate(document)
    except ValidationError as error:
        for detail, fault in zip(error.errors(include_url=False), faults(error, model, above), strict=True):
            found.setdefault(str(detail["loc"][0]), []).append(fault)
    return found


def _judged(where: str, key: str, value: object, unused: Mapping[str, Unused], known: Iterable[str]) -> Note:
    if key in unused:
        return Note(where, *unused[key].judge("" if value is None else value))
    return Note(where, Effect.UNKNOWN, f"is no key that Terway knows here{nearest(key, known)}")


def _keys(node: Mapping[str, object] | None, name: str) -> Iterable[str]:
    """Of a node's document, as far as it can be read."""
    try:
        return parse_document((node or {}).get(name) or "{}").keys()
    except ValueError:
        return ()
