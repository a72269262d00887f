"""Names and paths of everything a lab makes: what does not bear its prefix or lie below its root is not the lab's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

NETNS = Path("/run/netns")
"""Where iproute2 keeps named network namespaces."""


@dataclass(frozen=True, slots=True)
class Layout:
    """`prefix` starts the name of every namespace, `root` holds every file. Tests choose others."""

    prefix: str = "twlab"
    root: Path = Path("/run/terway-edge-lab")

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def token(self) -> Path:
        """Holds the secret that every process of this lab carries in its environment."""
        return self.root / "token"

    @property
    def manifests(self) -> Path:
        return self.root / "manifests"

    @property
    def api(self) -> Path:
        """What belongs to the API server, if the cluster is behind one."""
        return self.root / "api"

    @property
    def made(self) -> Path:
        """The objects that are to be taken from an API server that stays."""
        return self.api / "made.json"

    @property
    def plan(self) -> Path:
        """The network that is planned, for `terway-edge plan`."""
        return self.root / "cluster.yaml"

    def node_dir(self, node: str) -> Path:
        return self.root / "nodes" / node

    def router_dir(self, router: str) -> Path:
        return self.root / "routers" / router

    def netns(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def namespaces(self) -> list[str]:
        """The lab's namespaces that exist now."""
        if not NETNS.is_dir():
            return []
        return sorted(path.name for path in NETNS.iterdir() if path.name.startswith(f"{self.prefix}-"))


def netns_path(name: str) -> Path:
    return NETNS / name
