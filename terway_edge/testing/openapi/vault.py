"""Who may call: permanent key pairs, and temporary ones of roles."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from itertools import count

from terway_edge.testing.openapi.site import Site

RENEWAL = 1800.0
"""New credentials of an instance's role appear so many seconds before the old ones expire; both work meanwhile."""


@dataclass(frozen=True)
class Identity:
    """Who called; `session` is empty for the account itself."""

    account: str
    role: str = ""
    session: str = ""

    @property
    def arn(self) -> str:
        if not self.role:
            return f"acs:ram::{self.account}:root"
        return f"acs:ram::{self.account}:assumed-role/{self.role}/{self.session}"


@dataclass(frozen=True)
class Credentials:
    """`expires` in seconds of 1970, infinite for a permanent pair, which has no token."""

    key_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    expires: float
    identity: Identity


class Vault:
    """Credentials by key id. What it makes up differs with every call, not with every run."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._known = {
            key.id: Credentials(key.id, key.secret, "", math.inf, Identity(site.account)) for key in site.keys
        }
        self._of_instances: dict[tuple[str, str], Credentials] = {}
        self._serials = count(1)

    def find(self, key_id: str) -> Credentials | None:
        return self._known.get(key_id)

    def has_role(self, name: str) -> bool:
        return name in self._site.roles

    def assume(self, role: str, session: str, *, expires: float) -> Credentials:
        """Temporary credentials."""
        serial = next(self._serials)
        identity = Identity(self._site.account, role, session)
        made = Credentials(f"STS.{_made_up('id', serial)[:24]}", *_secrets(serial), expires, identity)
        self._known[made.key_id] = made
        return made

    def of_instance(self, role: str, instance: str, wall: float) -> Credentials:
        """What metadata shows: the same until shortly before it expires."""
        current = self._of_instances.get((role, instance))
        if current is None or wall >= current.expires - RENEWAL:
            current = self.assume(role, instance, expires=wall + self._site.pace.role_credentials)
            self._of_instances[role, instance] = current
        return current


def _secrets(serial: int) -> tuple[str, str]:
    return _made_up("secret", serial)[:44], "CAIS" + _made_up("token", serial) * 4


def _made_up(kind: str, serial: int) -> str:
    return hashlib.sha256(f"emulated {kind} {serial}".encode()).hexdigest()
