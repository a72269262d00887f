"""The Kubernetes API as the cluster: watches, a cache on disk, and writes that wait until they can be made.

Nothing here is imported by an agent whose cluster is a directory of manifests.
"""
