"""What of an engine or a gateway a proxy lets through."""

API_PATHS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/embeddings",
    "/v1/models",
    "/v1/models/*",
)
"""Paths of the OpenAI and Anthropic APIs that infer and list."""
