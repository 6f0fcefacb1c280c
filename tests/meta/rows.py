"""Small models of many architectures: every shape odd, so that a term left out of a formula shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LAYERS = 6

DIFFERENT_CACHES = {
    "deepseek_v4": "transformers empties the buffer of a compressor after each block, we count it full",
    "minicpm3": "transformers caches the latent vector, we count whole heads",
    "falcon-new": "transformers caches the repeated heads, engines the grouped ones",
}
"""Row -> why its cache is not what we compute; a test fails when one of them agrees."""


@dataclass(frozen=True)
class Row:
    """One architecture, and the keywords of its configuration."""

    model_type: str
    keywords: dict[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def name(self) -> str:
        return f"{self.model_type}{'-' if self.note else ''}{self.note}"


SIZES: dict[str, Any] = {
    "vocab_size": 1009,
    "hidden_size": 96,
    "intermediate_size": 208,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 8,
    "pad_token_id": None,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "max_position_embeddings": 4096,
}
GROUPED = SIZES | {"num_key_value_heads": 2}
WIDE = GROUPED | {"head_dim": 16}
LATENT = SIZES | {
    "num_key_value_heads": 8,
    "kv_lora_rank": 40,
    "q_lora_rank": 56,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 12,
    "v_head_dim": 20,
}
MOE = {"num_experts": 12, "num_experts_per_tok": 3, "moe_intermediate_size": 72}
LOCAL_MOE = {"num_local_experts": 12, "num_experts_per_tok": 3}
ROUTED_MOE = {
    "n_routed_experts": 12,
    "num_experts_per_tok": 3,
    "n_group": 1,
    "topk_group": 1,
    "moe_intermediate_size": 72,
    "n_shared_experts": 2,
}
DELTA = {
    "linear_num_value_heads": 6,
    "linear_num_key_heads": 3,
    "linear_value_head_dim": 16,
    "linear_key_head_dim": 12,
    "linear_conv_kernel_dim": 4,
}
MAMBA2 = {"mamba_n_heads": 12, "mamba_d_head": 16, "mamba_n_groups": 2, "mamba_d_state": 20, "mamba_d_conv": 4}
WINDOW = {"sliding_window": 33}
BIASES = {"attention_bias": True, "mlp_bias": True}
GPT = {
    "vocab_size": 1009,
    "n_positions": 512,
    "n_embd": 96,
    "n_layer": LAYERS,
    "n_head": 8,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
HYBRID = ["linear_attention", "full_attention", "linear_attention"] * 2
SLIDING = ["sliding_attention", "sliding_attention", "full_attention"] * 2

ROWS: tuple[Row, ...] = (
    Row("llama", WIDE),
    Row("llama", WIDE | BIASES | {"tie_word_embeddings": True}, "biases-tied"),
    Row("mistral", WIDE | WINDOW),
    Row("mistral", WIDE | {"sliding_window": None}, "full"),
    Row("ministral", WIDE | WINDOW),
    Row("ministral3", WIDE),
    Row("mixtral", WIDE | LOCAL_MOE),
    Row("internlm3", WIDE | {"qkv_bias": True, "bias": True}),
    Row("phi", SIZES | {"num_key_value_heads": 2, "qk_layernorm": True}),
    Row("phi3", GROUPED),
    Row("phimoe", GROUPED | LOCAL_MOE | {"attention_bias": True, "lm_head_bias": True}),
    Row("qwen2", GROUPED),
    Row("qwen2", GROUPED | WINDOW | {"use_sliding_window": True, "max_window_layers": 2}, "window"),
    Row("qwen2_moe", GROUPED | MOE | {"shared_expert_intermediate_size": 88, "mlp_only_layers": [1]}),
    Row("qwen3", WIDE | {"attention_bias": True}),
    Row("qwen3_moe", WIDE | MOE | {"decoder_sparse_step": 2}),
    Row("qwen3_next", WIDE | MOE | DELTA | {"shared_expert_intermediate_size": 88}),
    Row("qwen3_5_text", WIDE | DELTA),
    Row("qwen3_5_moe_text", WIDE | MOE | DELTA | {"shared_expert_intermediate_size": 88}),
    Row("gemma", WIDE),
    Row("gemma2", WIDE | WINDOW),
    Row("gemma3_text", WIDE | WINDOW | {"layer_types": SLIDING}),
    Row("vaultgemma", WIDE | WINDOW),
    Row(
        "gemma3n_text",
        WIDE
        | WINDOW
        | {
            "layer_types": SLIDING,
            "num_kv_shared_layers": 2,
            "laurel_rank": 10,
            "hidden_size_per_layer_input": 14,
            "vocab_size_per_layer_input": 907,
            "intermediate_size": [208] * LAYERS,
            "activation_sparsity_pattern": [0.0] * LAYERS,
        },
    ),
    Row(
        "gemma4_text",
        WIDE
        | WINDOW
        | {
            "layer_types": SLIDING,
            "global_head_dim": 32,
            "num_kv_shared_layers": 3,
            "use_double_wide_mlp": True,
            "hidden_size_per_layer_input": 14,
            "vocab_size_per_layer_input": 907,
        },
        "shared-cache",
    ),
    Row(
        "gemma4_text",
        WIDE
        | WINDOW
        | MOE
        | {
            "layer_types": SLIDING,
            "global_head_dim": 32,
            "num_global_key_value_heads": 1,
            "attention_k_eq_v": True,
            "enable_moe_block": True,
            "top_k_experts": 3,
            "hidden_size_per_layer_input": 0,
        },
        "experts",
    ),
    Row("cohere", GROUPED | {"use_qk_norm": True}),
    Row("cohere2", WIDE | WINDOW),
    Row("glm", WIDE),
    Row("glm4", WIDE),
    Row("glm4_moe", WIDE | ROUTED_MOE | {"use_qk_norm": True, "attention_bias": True, "first_k_dense_replace": 2}),
    Row("glm4_moe_lite", LATENT | ROUTED_MOE),
    Row("glm_moe_dsa", LATENT | ROUTED_MOE | {"index_n_heads": 4, "index_head_dim": 24, "index_topk": 64}),
    Row("deepseek_v2", LATENT | ROUTED_MOE | {"q_lora_rank": None, "first_k_dense_replace": 1}),
    Row("deepseek_v3", LATENT | ROUTED_MOE | {"first_k_dense_replace": 2, "attention_bias": True}),
    Row("deepseek_v32", LATENT | ROUTED_MOE | {"index_n_heads": 4, "index_head_dim": 24, "index_topk": 64}),
    Row(
        "deepseek_v4",
        WIDE
        | ROUTED_MOE
        | WINDOW
        | {
            "num_key_value_heads": 1,
            "head_dim": 64,
            "q_lora_rank": 56,
            "o_lora_rank": 12,
            "o_groups": 4,
            "index_n_heads": 4,
            "index_head_dim": 24,
            "index_topk": 64,
            "n_shared_experts": 1,
            "compress_ratios": [0, 4, 128, 4, 128, 4],
        },
    ),
    Row("minicpm3", LATENT),
    Row("youtu", LATENT),
    Row(
        "kimi_linear",
        LATENT
        | MOE
        | {
            "layer_types": HYBRID,
            "linear_head_dim": 16,
            "linear_num_heads": 6,
            "num_experts_per_token": 3,
            "num_shared_experts": 1,
            "q_lora_rank": None,
            "num_expert_group": 1,
            "topk_group": 1,
        },
    ),
    Row("granite", GROUPED | BIASES),
    Row("granitemoe", GROUPED | LOCAL_MOE),
    Row("granitemoeshared", GROUPED | LOCAL_MOE | {"shared_intermediate_size": 88}),
    Row(
        "granitemoehybrid",
        GROUPED | LOCAL_MOE | MAMBA2 | {"shared_intermediate_size": 88, "mamba_expand": 2, "layer_types": HYBRID},
    ),
    Row("olmo", GROUPED),
    Row("olmo2", GROUPED),
    Row("olmo3", GROUPED | WINDOW | {"layer_types": SLIDING}),
    Row("olmoe", GROUPED | {"num_experts": 12, "num_experts_per_tok": 3}),
    Row("flex_olmo", GROUPED | {"num_experts": 12, "num_experts_per_tok": 3}),
    Row("olmo_hybrid", GROUPED | DELTA | {"layer_types": HYBRID, "linear_num_key_heads": 6}),
    Row("starcoder2", GROUPED | WINDOW),
    Row("starcoder2", GROUPED | {"use_bias": False, "sliding_window": None}, "no-biases"),
    Row("stablelm", GROUPED | {"num_attention_heads": 6, "use_qkv_bias": True, "qk_layernorm": True}),
    Row("stablelm", GROUPED | {"num_attention_heads": 6, "use_parallel_residual": True}, "parallel"),
    Row("smollm3", GROUPED | BIASES),
    Row("seed_oss", WIDE),
    Row("ernie4_5", WIDE | {"use_bias": True}),
    Row(
        "ernie4_5_moe",
        GROUPED
        | {
            "moe_num_experts": 12,
            "moe_k": 3,
            "moe_intermediate_size": 72,
            "moe_num_shared_experts": 2,
            "moe_layer_start_index": 1,
            "moe_layer_end_index": 4,
            "moe_layer_interval": 1,
        },
    ),
    Row("exaone4", GROUPED | WINDOW | {"layer_types": SLIDING}),
    Row("exaone_moe", GROUPED | WINDOW | MOE | {"layer_types": SLIDING, "num_shared_experts": 1, "n_group": 1}),
    Row("hunyuan_v1_dense", WIDE),
    Row("arcee", WIDE | BIASES),
    Row("apertus", GROUPED),
    Row("nemotron", WIDE),
    Row("helium", GROUPED | {"head_dim": 12}),
    Row("bitnet", GROUPED),
    Row("cwm", WIDE | WINDOW | {"layer_types": SLIDING}),
    Row("jais2", WIDE),
    Row("nanochat", GROUPED),
    Row("diffllama", GROUPED),
    Row("dots1", GROUPED | ROUTED_MOE | {"first_k_dense_replace": 1}),
    Row("solar_open", WIDE | ROUTED_MOE),
    Row("hy_v3", WIDE | MOE | {"num_shared_experts": 1}),
    Row("mellum", WIDE | MOE),
    Row("laguna", WIDE | MOE | {"shared_expert_intermediate_size": 88, "num_attention_heads_per_layer": [8, 4] * 3}),
    Row("minimax", WIDE | LOCAL_MOE | {"layer_types": HYBRID}),
    Row("minimax_m2", WIDE | LOCAL_MOE),
    Row(
        "minimax_m3_vl_text",
        WIDE
        | LOCAL_MOE
        | {
            "dense_intermediate_size": 168,
            "shared_intermediate_size": 88,
            "index_n_heads": 2,
            "index_head_dim": 24,
            "mlp_layer_types": ["dense"] + ["sparse"] * 5,
            "layer_types": ["full_attention"] + ["minimax_m3_sparse"] * 5,
        },
    ),
    Row("afmoe", WIDE | WINDOW | MOE | {"num_dense_layers": 2, "num_shared_experts": 2, "layer_types": SLIDING}),
    Row("gpt_oss", WIDE | WINDOW | LOCAL_MOE | {"layer_types": SLIDING}),
    Row(
        "llama4_text",
        WIDE | LOCAL_MOE | {"intermediate_size_mlp": 168, "interleave_moe_layer_step": 2, "attention_chunk_size": 40},
    ),
    Row(
        "mimo_v2_flash",
        WIDE
        | WINDOW
        | ROUTED_MOE
        | {"num_key_value_heads": 4, "v_head_dim": 12, "n_shared_experts": None, "layer_types": SLIDING},
    ),
    Row(
        "jamba",
        GROUPED
        | {"num_experts": 12, "num_experts_per_tok": 3, "attn_layer_period": 3, "attn_layer_offset": 1}
        | {"mamba_expand": 2, "mamba_d_state": 20, "mamba_d_conv": 4},
    ),
    Row("bamba", GROUPED | MAMBA2 | {"attn_layer_indices": [1, 4], "mamba_expand": 2}),
    Row("falcon_h1", GROUPED | MAMBA2 | {"mamba_d_ssm": 192, "mamba_rms_norm": True}),
    Row("mamba", {"vocab_size": 1009, "hidden_size": 96, "num_hidden_layers": 5, "state_size": 20}),
    Row("falcon_mamba", {"vocab_size": 1009, "hidden_size": 96, "num_hidden_layers": 5, "state_size": 20}),
    Row(
        "mamba2",
        {"vocab_size": 1009, "hidden_size": 96, "num_hidden_layers": 5, "state_size": 20, "num_heads": 12}
        | {"head_dim": 16, "n_groups": 2},
    ),
    Row("lfm2", GROUPED | {"full_attn_idxs": [2, 4], "block_multiple_of": 24}),
    Row("lfm2_moe", GROUPED | MOE | {"layer_types": ["conv", "full_attention", "conv"] * 2}),
    Row(
        "nemotron_h",
        {key: value for key, value in WIDE.items() if key != "num_hidden_layers"}
        | ROUTED_MOE
        | {"hybrid_override_pattern": "M*-ME*-", "moe_shared_expert_intermediate_size": 88}
        | {"mamba_num_heads": 12, "mamba_head_dim": 16, "n_groups": 2, "ssm_state_size": 20, "moe_latent_size": 40},
    ),
    Row("gpt2", GPT),
    Row("gpt_bigcode", GPT),
    Row(
        "gpt_neo",
        {"vocab_size": 1009, "hidden_size": 96, "intermediate_size": 208, "num_layers": LAYERS, "num_heads": 8}
        | {"attention_types": [[["global", "local"], 3]]},
    ),
    Row("gpt_neox", SIZES),
    Row("gptj", GPT | {"rotary_dim": 4}),
    Row("codegen", GPT | {"rotary_dim": 4}),
    Row("opt", SIZES | {"ffn_dim": 208, "word_embed_proj_dim": 96}),
    Row("bloom", {"vocab_size": 1009, "hidden_size": 96, "n_layer": LAYERS, "n_head": 8}),
    Row("falcon", SIZES | {"intermediate_size": None}),
    Row(
        "falcon",
        SIZES | {"intermediate_size": None, "new_decoder_architecture": True, "num_kv_heads": 2, "bias": True},
        "new",
    ),
    Row("persimmon", SIZES),
    Row("biogpt", SIZES),
    Row("xglm", {"vocab_size": 1009, "d_model": 96, "ffn_dim": 208, "num_layers": LAYERS, "attention_heads": 8}),
)
