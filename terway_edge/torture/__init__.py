"""Torture: the real shim and the real agent in real namespaces, random acts by a seed, and the oracle after each.

For those who test: `terway-edge torture`, `./dev torture`.
"""
