"""Scorers: one answer against its gold answer."""
