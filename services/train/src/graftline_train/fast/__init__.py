"""The fast path: Llama-family decoders with LoRA, without padding, masks or dead work.

`linear` holds the matrix products, `layout` says which tokens see which, `attention`, `pointwise`
and `loss` are the parts of a block, `decoder` puts them together from a PEFT model.
"""
