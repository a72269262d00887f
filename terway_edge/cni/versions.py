"""The versions of the CNI specification that we speak."""

VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
"""Oldest first. Both shims say the same to VERSION (tests/cni/test_shim_alone.py)."""
