"""Questions about access, as `kubectl auth can-i` and `kubectl auth whoami` ask them."""

from __future__ import annotations

from terway_edge.testing.apiserver.access.rbac import Rbac
from terway_edge.testing.apiserver.access.users import User
from terway_edge.testing.apiserver.call import Target
from terway_edge.testing.apiserver.objects import Object, dig

ALL: Object = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}


def review(name: str, value: Object, user: User, rbac: Rbac | None) -> Object:
    """The status of a review. Without RBAC all is allowed."""
    spec = value.get("spec") or {}
    match name:
        case "SelfSubjectReview":
            return {"userInfo": {"username": user.name, "groups": list(user.everything)}}
        case "SelfSubjectRulesReview":
            return _rules(user, spec.get("namespace", ""), rbac)
        case "SubjectAccessReview":
            user = User(spec.get("user", ""), tuple(spec.get("groups") or ()))
    return {"allowed": rbac is None or rbac.allows(user, _target(spec))}


def _target(spec: Object) -> Target:
    found = dig(spec, "resourceAttributes") or {}
    if not found:
        path = dig(spec, "nonResourceAttributes") or {}
        return Target(path.get("verb", ""), path.get("path", ""))
    fields = ("group", "version", "subresource", "namespace", "name")
    named = {field: str(found.get(field) or "") for field in fields}
    return Target(found.get("verb", ""), "", plural=found.get("resource", ""), **named)


def _rules(user: User, namespace: str, rbac: Rbac | None) -> Object:
    rules = [ALL] if rbac is None or user.is_master else list(rbac.rules(user, namespace))
    return {
        "incomplete": False,
        "resourceRules": [each for each in rules if each.get("resources")],
        "nonResourceRules": [each for each in rules if each.get("nonResourceURLs")],
    }
