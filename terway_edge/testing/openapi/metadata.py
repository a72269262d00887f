"""The metadata service of ECS instances: /latest/meta-data and tokens for its hardened mode."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import NamedTuple

from terway_edge.testing.openapi.cloud import Cloud
from terway_edge.testing.openapi.metadata_tree import Tree, tree
from terway_edge.testing.openapi.records import Instance, Product
from terway_edge.testing.openapi.reply import Reply
from terway_edge.testing.openapi.vault import Vault

LIFE_HEADER = "x-aliyun-ecs-metadata-token-ttl-seconds"
TOKEN_HEADER = "x-aliyun-ecs-metadata-token"  # noqa: S105 - a header's name
LONGEST_LIFE = 21600


class MetadataRequest(NamedTuple):
    """`instance` if its listener says so, else that of `source`, the address that asks. Header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    source: str
    instance: str = ""


class Metadata:
    """Remembers tokens: which instance each is for and until when."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._tokens: dict[str, tuple[str, float]] = {}

    def answer(self, request: MetadataRequest, shown: Cloud, wall: float) -> Reply:
        """:param shown: as metadata is to show it, which may be of some time ago"""
        instance = _instance(request, shown)
        if instance is None:
            return _text(404, "no instance of this cloud has your address")
        path = request.path.removeprefix("/latest/")
        if path == "api/token":
            return self._new_token(request, instance, wall)
        if request.method != "GET":
            return _text(405, "only GET is allowed")
        if not self._may_read(request, instance, wall):
            return _text(401, "the token is missing, wrong or too old")
        found = self._find(tree(shown, instance), instance, path, wall)
        return _text(404, "nothing is here") if found is None else _text(200, found)

    def _find(self, root: Tree, instance: Instance, path: str, wall: float) -> str | None:
        """A text; of a directory the names in it. Credentials are made when they are asked for."""
        role = f"meta-data/ram/security-credentials/{instance.role}"
        if instance.role and path == role:
            return root.credentials(self._vault.of_instance(instance.role, instance.id, wall), wall)
        return root.read(path)

    def _new_token(self, request: MetadataRequest, instance: Instance, wall: float) -> Reply:
        life = request.headers.get(LIFE_HEADER, "")
        if request.method != "PUT":
            return _text(405, "only PUT is allowed")
        if not life.isascii() or not life.isdigit() or not 1 <= int(life) <= LONGEST_LIFE:
            return _text(400, f"{LIFE_HEADER} is not in 1 to {LONGEST_LIFE}")
        token = secrets.token_urlsafe(32)
        self._tokens[token] = (instance.id, wall + int(life))
        return _text(200, token)

    def _may_read(self, request: MetadataRequest, instance: Instance, wall: float) -> bool:
        token = request.headers.get(TOKEN_HEADER)
        if token is None:
            return not instance.hardened_metadata
        owner, until = self._tokens.get(token, ("", 0.0))
        return owner == instance.id and wall < until


def _instance(request: MetadataRequest, cloud: Cloud) -> Instance | None:
    """ENS instances have no metadata."""
    instance = request.instance
    if not instance:
        owned = {str(address): eni.instance for eni in cloud.enis.values() for address in (*eni.ipv4, *eni.ipv6)}
        instance = owned.get(request.source, "")
    found = cloud.instances.get(instance)
    return found if found and found.product is Product.ECS else None


def _text(status: int, text: str) -> Reply:
    return Reply(status, text.encode(), "text/plain", code="" if status == 200 else str(status))
