"""Reads labelled files and Hub sets and gives typed examples; what it cannot use is kept."""
