"""RBAC (rbac.authorization.k8s.io/v1): which rules bind a user, and whether one of them allows a request.

Not there: aggregated ClusterRoles, and the checks against escalation when roles are written.
"""

from __future__ import annotations

from collections.abc import Iterator

from terway_edge.testing.apiserver.access.users import User
from terway_edge.testing.apiserver.call import Target
from terway_edge.testing.apiserver.errors import ApiError
from terway_edge.testing.apiserver.objects import Object
from terway_edge.testing.apiserver.store import Store

GROUP = "rbac.authorization.k8s.io"
OPEN_PATHS = ("/healthz", "/livez", "/readyz", "/version")
DISCOVERY = ("/api", "/apis", "/openapi")


class Rbac:
    """Reads the roles and bindings of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def check(self, user: User, target: Target) -> None:
        """Raises ApiError 403."""
        if not self.allows(user, target):
            raise forbidden(user, target)

    def allows(self, user: User, target: Target) -> bool:
        if user.is_master:
            return True
        if not target.plural:
            return self._allows_path(user, target)
        if target.group in ("authorization.k8s.io", "authentication.k8s.io") and target.plural.startswith("self"):
            return True
        return any(_allows(rule, target) for rule in self.rules(user, target.namespace))

    def rules(self, user: User, namespace: str) -> Iterator[Object]:
        """The rules that bind a user in a namespace; empty: at the cluster scope."""
        for binding in self._all("clusterrolebindings"):
            if _binds(binding, user, ""):
                yield from self._of(binding["roleRef"], "")
        for binding in self._all("rolebindings"):
            inside = binding["metadata"]["namespace"]
            if namespace == inside and _binds(binding, user, inside):
                yield from self._of(binding["roleRef"], inside)

    def _allows_path(self, user: User, target: Target) -> bool:
        path = target.path.rstrip("/") or "/"
        if path.startswith(OPEN_PATHS) or any(path == each or path.startswith(f"{each}/") for each in DISCOVERY):
            return True
        return any(
            _has(rule.get("verbs"), target.verb) and _has_path(rule.get("nonResourceURLs") or [], path)
            for rule in self.rules(user, "")
        )

    def _all(self, plural: str) -> list[Object]:
        return [each.object for each in self._store.all((GROUP, plural)).values()]

    def _of(self, reference: Object, namespace: str) -> list[Object]:
        plural = "roles" if reference["kind"] == "Role" else "clusterroles"
        key = (namespace if plural == "roles" else "", reference["name"])
        stored = self._store.get((GROUP, plural), key)
        return (stored.object.get("rules") or []) if stored else []


def _binds(binding: Object, user: User, namespace: str) -> bool:
    return any(_is(subject, user, namespace) for subject in binding.get("subjects") or ())


def _is(subject: Object, user: User, namespace: str) -> bool:
    match subject["kind"]:
        case "ServiceAccount":
            inside = subject.get("namespace") or namespace
            return user.name == f"system:serviceaccount:{inside}:{subject['name']}"
        case "User":
            return bool(user.name == subject["name"])
        case "Group":
            return subject["name"] in user.everything
    return False


def _allows(rule: Object, target: Target) -> bool:
    names = rule.get("resourceNames") or ()
    return (
        _has(rule.get("verbs"), target.verb)
        and _has(rule.get("apiGroups"), target.group)
        and (_has(rule.get("resources"), target.resource) or f"*/{target.subresource}" in (rule.get("resources") or ()))
        and (not names or target.name in names)
    )


def _has(values: list[str] | None, wanted: str) -> bool:
    return bool(values) and ("*" in (values or ()) or wanted in (values or ()))


def _has_path(patterns: list[str], path: str) -> bool:
    return any(each == path or (each.endswith("*") and path.startswith(each[:-1])) for each in patterns)


def forbidden(user: User, target: Target) -> ApiError:
    if not target.plural:
        text = f'User "{user.name}" cannot {target.verb} path "{target.path}"'
        return ApiError(403, "Forbidden", f"forbidden: {text}", {})
    owner = f"{target.plural}.{target.group}" if target.group else target.plural
    thing = f'{owner} "{target.name}"' if target.name else owner
    where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    text = f'cannot {target.verb} resource "{target.resource}" in API group "{target.group}" {where}'
    details = {"name": target.name, "group": target.group, "kind": target.plural}
    details = {key: each for key, each in details.items() if each}
    return ApiError(403, "Forbidden", f'{thing} is forbidden: User "{user.name}" {text}', details)
