"""Graftline's judge: scores for examples, by a language model and by validators; it drops none."""
