"""Plans the network of a cluster before it is created: checks its CIDRs, counts what fits, says who needs which route.

Pure: a `ClusterNetwork` goes in, a `NetworkPlan` comes out; `commands` turns its routes into lines for routers.
"""
