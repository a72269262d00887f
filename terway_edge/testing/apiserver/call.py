"""One request: what was sent, and what it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from terway_edge.testing.apiserver.selectors import named_by

VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
METHODS = (*VERBS, "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Target:
    """What a request is about, as authorisation and faults see it. Without `plural` it is a path and no resource."""

    verb: str
    path: str
    group: str = ""
    version: str = ""
    plural: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def resource(self) -> str:
        return f"{self.plural}/{self.subresource}" if self.subresource else self.plural


@dataclass(frozen=True)
class Call:
    """:param headers: by lower-case name"""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @staticmethod
    def of(method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Call:
        parts = urlsplit(url)
        query: dict[str, str] = {}
        for key, value in parse_qsl(parts.query, keep_blank_values=True):
            query.setdefault(key, value)
        return Call(method, unquote(parts.path), query, {k.lower(): v for k, v in headers.items()}, body)

    @property
    def token(self) -> str:
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if kind.lower() == "bearer" else ""

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def user_agent(self) -> str:
        return self.headers.get("user-agent", "")

    def flag(self, name: str) -> bool:
        return self.query.get(name, "false").lower() not in ("false", "0", "")

    @property
    def target(self) -> Target:
        """What the path and the method ask for, whether that exists or not."""
        steps = [each for each in self.path.split("/") if each]
        if steps[:2] == ["api", "v1"]:
            return self._resource("", "v1", steps[2:])
        if steps[:1] == ["apis"] and len(steps) > 2:
            return self._resource(steps[1], steps[2], steps[3:])
        return Target(self.method.lower(), self.path)

    def _resource(self, group: str, version: str, steps: list[str]) -> Target:
        namespace = ""
        if steps[:1] == ["namespaces"] and len(steps) > 1:
            namespace = steps[1]
            if len(steps) > 2 and steps[2] not in ("status", "finalize"):
                steps = steps[2:]
        if not steps:
            return Target(self.method.lower(), self.path)
        plural, name, subresource = steps[0], "".join(steps[1:2]), "/".join(steps[2:])
        verb = self._verb(name)
        if not name and verb in ("list", "watch", "deletecollection"):
            name = named_by(self.query.get("fieldSelector", ""))
        return Target(verb, self.path, group, version, plural, subresource, namespace, name)

    def _verb(self, name: str) -> str:
        verb = VERBS.get("GET" if self.method == "HEAD" else self.method, self.method.lower())
        if verb == "get" and (self.flag("watch") or not name):
            return "watch" if self.flag("watch") else "list"
        return "deletecollection" if verb == "delete" and not name else verb
