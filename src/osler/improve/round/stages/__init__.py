"""The stages of a round, a module each; their order stands in :mod:`osler.improve.round.run`."""
