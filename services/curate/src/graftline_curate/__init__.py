"""Curates examples by an ordered list of operations; what they drop is kept, with a reason."""
