"""The `evaluate` stage: a model's answers to held-out examples, scored and compared."""
