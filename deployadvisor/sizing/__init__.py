"""What a model needs and what a machine gives: weights, KV cache, memory, parallelism and load, as arithmetic."""
