"""ENS, version 2017-11-10: edge sites with networks, instances and ENIs.

Unlike ECS: no tokens, no tags, no IPv6 addresses to assign, one address per call, attach and detach while the
instance is Stopped; nearly every refusal has status 400.
"""
