"""Our nftables table, written whole through the `nft` program whenever what it should say changes.

A fresh process knows it by its name, `inet terway_edge`. One transaction replaces it, so packets never meet half a
table; nobody else's table is touched.
"""

from __future__ import annotations

import errno
import subprocess
import threading
from collections.abc import Iterable
from shutil import which

from terway_edge.core.errors import KernelError
from terway_edge.core.ports import Masquerade

TABLE = "terway_edge"
TIMEOUT = 20.0  # seconds for one run of nft; large sets take a fraction of one

# Never translated: link-local addresses have no meaning beyond the link, and the sender of multicast is who it is.
ALWAYS_DIRECT = {4: ("169.254.0.0/16", "224.0.0.0/4"), 6: ("fe80::/10", "ff00::/8")}


class NftFirewall:
    """The Firewall port. Thread-safe. Equal input with an intact table writes nothing."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._wanted: Masquerade | None = None
        self._listing = ""

    def set_masquerade(self, wanted: Masquerade) -> None:
        with self._guard:
            if wanted == self._wanted and self._listing and _list() == self._listing:
                return
            _nft("-f", "-", script=masquerade_script(wanted))
            self._wanted, self._listing = wanted, _list()

    def is_present(self) -> bool:
        """Whether the node has our table. Raises KernelError."""
        return bool(_list())

    def remove(self) -> None:
        with self._guard:
            if self._wanted is not None or (which("nft") and _list()):
                _nft("-f", "-", script=f"add table inet {TABLE}\ndelete table inet {TABLE}\n")
            self._wanted, self._listing = None, ""


def masquerade_script(wanted: Masquerade) -> str:
    """The transaction that makes our table say exactly this."""
    sets, rules = [], []
    for family, name in ((4, "ip"), (6, "ip6")):
        sources = [prefix for prefix in wanted.sources if prefix.family == family]
        if not sources:
            continue
        direct = [*ALWAYS_DIRECT[family], *(str(prefix) for prefix in wanted.direct if prefix.family == family)]
        sets.append(_set(f"pods{family}", family, map(str, sources)))
        sets.append(_set(f"direct{family}", family, direct))
        rules.append(f"    {name} saddr @pods{family} {name} daddr != @direct{family} masquerade fully-random")
    chain = ["  chain postrouting {", "    type nat hook postrouting priority srcnat;", *rules, "  }"]
    return "\n".join(
        [f"add table inet {TABLE}", f"delete table inet {TABLE}", f"table inet {TABLE} {{", *sets, *chain, "}", ""]
    )


def _set(name: str, family: int, elements: Iterable[str]) -> str:
    body = ", ".join(elements)
    return f"  set {name} {{\n    type ipv{family}_addr; flags interval; auto-merge\n    elements = {{ {body} }}\n  }}"


def _list() -> str:
    """Our table as nft prints it; empty if there is none."""
    return _nft("-s", "list", "table", "inet", TABLE, missing_ok=True)


def _nft(*arguments: str, script: str = "", missing_ok: bool = False) -> str:
    try:
        done = subprocess.run(
            ["nft", *arguments], input=script, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except FileNotFoundError as error:
        raise KernelError(
            "the nft program is missing: install nftables, or set masquerade.enabled to false", errno=errno.ENOENT
        ) from error
    except subprocess.TimeoutExpired as error:
        raise KernelError(f"nft did not end within {TIMEOUT:.0f} s", errno=errno.ETIMEDOUT) from error
    if done.returncode:
        if missing_ok and "No such file" in done.stderr:
            return ""
        raise KernelError(f"nft refused our table: {done.stderr.strip().splitlines()[0]}", errno=errno.EINVAL)
    return done.stdout
