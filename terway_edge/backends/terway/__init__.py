"""Cloud nodes: pods on shared ENIs of an ECS instance.

A fresh process recognises its state by: pod links by name and alias, rules 512 and 2048 and routes in tables from 1000
on by protocol 158; what is under way in the cloud by `eni.json` in the state directory and by the tags of ENIs.
"""

from terway_edge.backends.terway.backend import Terway

__all__ = ["Terway"]
