"""Graftline's index: what the store holds and what runs say, for other programs, over gRPC."""
