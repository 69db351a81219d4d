"""The stage `format`: examples become tokens with a loss mask, and exchange formats."""
