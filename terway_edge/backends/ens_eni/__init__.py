"""Nodes of an edge site of ENS: pods on the ENIs that were bound to the instance before it started.

A fresh process recognises its state as that of `backends.terway`.
"""

from terway_edge.backends.ens_eni.backend import EnsEni

__all__ = ["EnsEni"]
