"""`python -m deploy.generate` writes what is made from other files here: definitions of BGPPeer, locks of the image.

A test compares them.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from deploy.bgppeer import STRUCTURAL, WITH_CEL, WITH_IP, Version, bgppeer_crd, whole_schema
from deploy.locks import locks

DEPLOY = Path(__file__).parent
CRDS = {
    "bgppeers.yaml": WITH_IP,
    "before-1.31/bgppeers.yaml": WITH_CEL,
    "before-1.25/bgppeers.yaml": STRUCTURAL,
}
"""Below `crds`, and the oldest Kubernetes version that each is for."""
CHART = WITH_CEL
"""The oldest that the chart is for, which has files of its own: it cannot read others."""


class _Dumper(yaml.SafeDumper):
    """Without anchors and aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def files() -> dict[Path, str]:
    """What is to be where."""
    found = {DEPLOY / "image" / name: text for name, text in locks().items()}
    for name, server in CRDS.items():
        found[DEPLOY / "crds" / name] = _text(bgppeer_crd(server), server)
        if server >= CHART:
            found[DEPLOY / "chart/files/crds" / name] = _text(bgppeer_crd(server), server)
        if server < WITH_IP:
            # Of the newest definition, to make it this one (RFC 6902).
            change = {"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema", "value": whole_schema(server)}
            found[(DEPLOY / "crds" / name).with_name("patch.yaml")] = _text([change], server)
    return found


def _text(content: object, server: Version) -> str:
    oldest = ".".join(map(str, server))
    head = f"# Generated from terway_edge/core/bgp_peer.py by deploy/generate.py; for Kubernetes {oldest} and later.\n"
    return head + yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=118)


def main() -> None:
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
