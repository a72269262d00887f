"""Structural OpenAPI v3 schemas: what a value must look like, what is cut away, what is filled in."""
