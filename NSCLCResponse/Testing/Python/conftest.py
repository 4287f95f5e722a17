"""Fixtures of this folder."""

from support.small_signature import a_small_signature

__all__ = ["a_small_signature"]
