"""Implementations of others, behind the same run contract as ours."""
