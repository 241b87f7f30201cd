"""Data that would mend a model: found, embedded, searched, freed of overlap.

The rooms are imported where they are used: :mod:`osler.curate.pool` is a pool of images.
"""
