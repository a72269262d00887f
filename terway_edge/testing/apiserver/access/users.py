"""Who asks: users and service accounts by bearer token."""

from __future__ import annotations

import secrets
import threading
from typing import NamedTuple

from terway_edge.testing.apiserver.call import Call

MASTERS, AUTHENTICATED, ANONYMOUS = "system:masters", "system:authenticated", "system:unauthenticated"


class User(NamedTuple):
    name: str
    groups: tuple[str, ...] = ()

    @property
    def everything(self) -> tuple[str, ...]:
        """All groups."""
        return (*self.groups, AUTHENTICATED) if self != NOBODY else self.groups

    @property
    def is_master(self) -> bool:
        return MASTERS in self.groups


NOBODY = User("system:anonymous", (ANONYMOUS,))
ADMIN = User("kubernetes-admin", (MASTERS,))


def service_account(namespace: str, name: str) -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return User(f"system:serviceaccount:{namespace}:{name}", groups)


def impersonated(call: Call) -> User | None:
    """As whom a master asks (`kubectl --as`)."""
    name = call.headers.get("impersonate-user", "")
    if not name:
        return None
    groups = tuple(filter(None, call.headers.get("impersonate-group", "").split(",")))
    if name.startswith("system:serviceaccount:") and name.count(":") == 3 and not groups:
        return service_account(*name.split(":")[2:])
    return User(name, groups)


class Tokens:
    """Users by token. Without any token everybody is the administrator."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._is_open = True
        self._guard = threading.Lock()

    def add(self, user: User, token: str = "") -> str:
        """From now on a token is needed.

        :returns: the token, a new one if none is given
        """
        with self._guard:
            token = token or secrets.token_urlsafe(24)
            self._users[token] = user
            self._is_open = False
            return token

    def issue(self, user: User) -> str:
        """A token that is good besides; it does not close an open server."""
        with self._guard:
            token = secrets.token_urlsafe(24)
            self._users[token] = user
            return token

    def revoke(self, token: str) -> None:
        with self._guard:
            self._users.pop(token, None)

    def user(self, token: str) -> User | None:
        """None for a token that is wrong, or for none where one is needed."""
        if token in self._users:
            return self._users[token]
        return ADMIN if self._is_open else None
