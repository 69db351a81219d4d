"""The `train` stage: a model and a training set in, a LoRA adapter out."""
