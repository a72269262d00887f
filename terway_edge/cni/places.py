"""Where the shim looks for the agent: built in, or as the runtime's environment says. It reads no configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

BUILT_IN = {"TERWAY_EDGE_RUN": Path("/run/terway-edge"), "TERWAY_EDGE_STATE": Path("/var/lib/terway-edge")}
"""The shim's run and state directories by the variable that overrides each (shim.c)."""


def misplaced(run_dir: Path, state_dir: Path, environ: Mapping[str, str]) -> str:
    """Why the shim would miss the agent's directories and what to do; empty if it finds them.

    :param environ: the agent's environment: only the operator knows the runtime's, and tells us by setting ours alike.
    """
    wanted = dict(zip(BUILT_IN, (run_dir, state_dir), strict=True))
    wrong = [name for name, path in wanted.items() if Path(environ.get(name) or BUILT_IN[name]) != path]
    if not wrong:
        return ""
    looks = " and ".join(environ.get(name) or str(BUILT_IN[name]) for name in wrong)
    fix = " ".join(f"{name}={wanted[name]}" for name in wrong)
    return (
        f"the CNI shim looks in {looks}, not where run_dir and state_dir say: pods can neither start nor end."
        f" Set {fix} in the environment of the container runtime and of this agent, or use the built-in directories"
    )
