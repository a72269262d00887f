"""All paths that are no resources: health, version, discovery, OpenAPI."""

from __future__ import annotations

from terway_edge.testing.apiserver.call import Call
from terway_edge.testing.apiserver.errors import no_such_path, wrong_method
from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.media import wanted
from terway_edge.testing.apiserver.objects import Object
from terway_edge.testing.apiserver.reply import Reply, as_json
from terway_edge.testing.apiserver.show import discovery, openapi

VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-04-22T00:00:00Z",
    "goVersion": "",
    "compiler": "python",
    "platform": "linux/amd64",
}
HEALTH = ("healthz", "livez", "readyz")
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def page(call: Call, kinds: list[Kind]) -> Reply:
    """Raises ApiError 404, 405 or 406."""
    if call.method not in ("GET", "HEAD"):
        raise wrong_method() if _find(call, kinds) else no_such_path()
    found = _find(call, kinds)
    if found is None:
        raise no_such_path()
    return found


def _find(call: Call, kinds: list[Kind]) -> Reply | None:
    steps = [each for each in call.path.split("/") if each]
    match steps:
        case [first, *_] if first in HEALTH:
            return Reply(200, b"ok", "text/plain; charset=utf-8")
        case ["version"]:
            return as_json(VERSION)
        case ["api"] | ["apis"]:
            return _root(call, kinds, is_core=steps == ["api"])
        case ["api", "v1"]:
            return _maybe(discovery.resource_list(kinds, "", "v1"))
        case ["apis", group]:
            return _maybe(discovery.one_group(kinds, group))
        case ["apis", group, version]:
            return _maybe(discovery.resource_list(kinds, group, version))
        case ["openapi", "v2"]:
            wanted(call, ())
            return as_json(openapi.swagger(kinds))
        case ["openapi", "v3"]:
            return as_json(openapi.index(kinds))
        case ["openapi", "v3", *root]:
            return _maybe(openapi.document(kinds, "/".join(root)))
    return None


def _root(call: Call, kinds: list[Kind], *, is_core: bool) -> Reply:
    if wanted(call, (discovery.AGGREGATED,), "v2"):
        reply = as_json(discovery.aggregated(kinds, core=is_core))
        return Reply(reply.status, reply.body, AGGREGATED)
    return as_json(discovery.core_versions() if is_core else discovery.group_list(kinds))


def _maybe(value: Object | None) -> Reply | None:
    return None if value is None else as_json(value)
