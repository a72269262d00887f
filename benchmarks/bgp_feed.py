"""What feeds ExaBGP: a process of its own that prints commands, one for all prefixes of a next hop.

Arguments are the number of prefixes and that of next hops.
"""

from __future__ import annotations

import signal
import sys

from benchmarks.bgp_load import Load, groups


def main() -> None:
    prefixes, next_hops = map(int, sys.argv[1:])
    for next_hop, group in groups(Load(prefixes, next_hops)):
        print("announce attributes next-hop", next_hop, "nlri", *group)
    sys.stdout.flush()
    signal.pause()  # one that ends is started again


if __name__ == "__main__":
    main()
