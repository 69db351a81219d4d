"""The `model` stage: a model from anywhere, as safetensors with its tokenizer and chat template."""
