"""Cloud nodes: pods on shared ENIs of an ECS instance.

A fresh process recognises its state by: pod links by name and alias, rules 512 and 2048 and routes in tables from 1000
on by protocol 158; what is under way in the cloud, and its stock, by `eni.json` in the state directory; the former by
the tags of ENIs, too.
"""

from terway_edge.backends.terway.backend import Terway

__all__ = ["Terway"]
