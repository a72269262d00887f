"""Terway Edge: a CNI agent and plugin framework that gives pods underlay addresses."""
