"""Graftline's judge: scores for examples, or a choice between two models; it drops no row."""
