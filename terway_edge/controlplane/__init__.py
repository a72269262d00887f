"""What a cluster needs once, not on every node: a process of its own, of which one copy leads and the others wait.

    election, lease, leadership    who leads: a Lease, and until when it is safe to write
    objects, following             what is seen of the cluster, while leading only
    ranges, ledger, allocator, pod_cidrs    pod CIDRs for edge nodes
    peer_conditions, peers         conditions of BGPPeers out of their speakers' entries
    faults                         events about BGPPeers that no speaker tells of
    silence, network               condition NetworkUnavailable of nodes whose agent is dead
    orphans, sweep                 ENIs that lost their instance
    reign, process                 all of it at work

Decisions are pure: they get what was seen and the time. Each controller has one edge that writes what was decided.
"""
