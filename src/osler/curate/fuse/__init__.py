"""Fusion: a goal becomes a plan, a lock, and one checked set of samples from many datasets."""
