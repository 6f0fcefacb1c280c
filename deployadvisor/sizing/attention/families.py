"""The table of model types: who reads their configuration, and which keys the reader understands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from deployadvisor.sizing.attention import latent, plain, recurrent, sparse, windows
from deployadvisor.sizing.attention.config import Config, Reader

# Keys that say something about what is cached; one that its family's reader does not know makes bounds.
_HINT = re.compile(
    r"(index|compress|ssm_|mamba_|n_mamba|linear_(?!bias)|recurrent|rwkv|conv_(?!bias)|lru_|state_size|time_step"
    r"|sliding_window|use_sliding|max_window|swa_|window_size|attention_chunk|attn_(type|layer)|attention_(other|type)"
    r"|full_att|global_attn|per_layer_config|layers_block|hybrid|kv_lora|kv_shar|num_kv_shared|no_rope_layer|cross_layer"
    r"|use_cla|cla_|sparse_attention|block_types|block_configs)"
)


@dataclass(frozen=True, slots=True)
class Family:
    """One way to read a configuration."""

    read: Reader
    keys: frozenset[str]
    """Keys like ``_HINT`` that ``read`` understands, or that change nothing."""


def family_of(model_type: str) -> Family | None:
    """The family of a model type, also of the text part of a multimodal one; None when it is not known."""
    return _families().get(model_type) or _families().get(model_type.removesuffix("_text"))


def attends(model_type: str) -> bool:
    """Whether a model has attention heads; False for those that keep nothing but a state."""
    family = family_of(model_type)
    return family is None or family.read not in (recurrent.mamba, recurrent.mamba2)


def unread_key(config: Config, family: Family) -> str | None:
    """The first key that hints at something ``family`` does not understand."""
    return next((key for key in config if config[key] and _HINT.match(key) and key not in family.keys), None)


# Keys beside layer_types, which every reader understands.
_WINDOW = "sliding_window sliding_window_pattern use_sliding_window max_window_layers"
_ROTARY = "no_rope_layers no_rope_layer_interval"
_MIMO = "sliding_window_size hybrid_layer_pattern hybrid_block_size attention_chunk_size swa_num_key_value_heads"
_MIMO_HEADS = "swa_num_attention_heads swa_head_dim swa_v_head_dim swa_rope_theta"
_LATENT = "kv_lora_rank"
_INDEXED = "index_head_dim index_n_heads index_topk index_topk_freq index_skip_topk_offset index_topk_pattern"
_INDEXER = "indexer_types indexer_rope_interleave index_share_for_mtp_iteration"
_POOL = "index_kpool index_kpool_always_select_tail index_kpool_compress"
_DELTA = (
    "linear_num_value_heads linear_num_key_heads linear_value_head_dim linear_key_head_dim linear_conv_kernel_dim"
)
_DELTA_PARTS = (
    "linear_allow_neg_eigval linear_a_log_min linear_a_log_max linear_dt_min linear_dt_max linear_dt_init_floor"
)
_KIMI = "linear_attn_config linear_num_heads linear_head_dim linear_conv_kernel_dim linear_lower_bound"
_MAMBA = "mamba_n_heads mamba_d_head mamba_n_groups mamba_d_state mamba_d_conv mamba_expand mamba_chunk_size"
_MAMBA_PARTS = "mamba_conv_bias mamba_proj_bias mamba_dt_rank mamba_inner_layernorms"
_TIME = (
    "time_step_limit time_step_min time_step_max time_step_floor time_step_rank time_step_scale time_step_init_scheme"
)
_NEMOTRON = "hybrid_override_pattern layers_block_type mamba_num_heads mamba_head_dim ssm_state_size"
_NEMOTRON_PARTS = "conv_kernel mamba_hidden_act mamba_proj_bias mamba_ssm_cache_dtype"
_FALCON_H1 = "mamba_d_ssm ssm_multipliers ssm_in_multiplier ssm_out_multiplier mamba_norm_before_gate"
_FALCON_H1_PARTS = "mamba_rms_norm mamba_use_mlp"
_ZAMBA2 = "layers_block_type n_mamba_heads mamba_ngroups mamba_headdim hybrid_layer_ids"
_LIGHTNING = "full_attn_alpha_factor full_attn_beta_factor linear_attn_alpha_factor linear_attn_beta_factor"
_COMPRESSED = "compress_ratios compress_rates compress_rope_theta index_head_dim index_n_heads index_topk"
_SPARSE = "sparse_attention_config index_n_heads index_head_dim index_block_size index_topk_blocks index_local_blocks"

# Reader, keys, model types. Defaults of each: the configuration classes of transformers 5.23.
_TABLE: tuple[tuple[Reader, str, str], ...] = (
    (plain.plain, "", "llama gemma glm glm4 glm4_moe glm4v glm4v_moe granite granitemoe granitemoeshared"),
    (plain.plain, "", "olmo olmo2 olmoe flex_olmo phi gpt2 gptj gpt_neox opt bloom persimmon qwen"),
    (plain.plain, "", "xglm biogpt codegen diffllama"),
    (plain.plain, "attention_types window_size", "gpt_neo"),
    (plain.mosaic, "", "mpt"),
    (plain.plain, "", "cohere exaone stablelm nemotron arcee apertus bitnet helium seed_oss solar_open nanochat"),
    (plain.plain, "", "baichuan internlm internlm2 internlm3 xverse orion minicpm deepseek telechat"),
    (plain.plain, "", "ernie4_5 ernie4_5_moe hy_v3 jais2 iquestcoder"),
    (plain.flagged, "attn_type_list", "minimax_m2"),
    (plain.chat_glm, "", "chatglm"),
    (plain.falcon, "", "falcon RefinedWeb RefinedWebModel"),
    (plain.big_code, "", "gpt_bigcode"),
    (plain.nemotron_nas, "block_configs", "nemotron-nas"),
    (plain.hunyuan, "use_cla cla_share_factor", "hunyuan hunyuan_v1_dense hunyuan_v1_moe"),
    (windows.late_layers, _WINDOW, "qwen2 qwen3 qwen2_vl qwen2_5_vl qwen3_vl mimo"),
    (windows.listed, f"{_WINDOW} {_ROTARY}", "qwen2_moe qwen3_moe qwen3_vl_moe mellum granite_swa smollm3 dots1"),
    (windows.all_layers, _WINDOW, "mistral mistral3 mixtral ministral ministral3 starcoder2 phi3 phimoe"),
    (windows.interleaved(2), _WINDOW, "gemma2 vaultgemma gpt_oss"),
    (windows.interleaved(4), _WINDOW, "cohere2 exaone4 exaone_moe olmo3"),
    (windows.interleaved(4, "global_attn_every_n_layers"), f"{_WINDOW} global_attn_every_n_layers", "afmoe"),
    (windows.first_full, _WINDOW, "cwm"),
    (windows.interleaved(6), _WINDOW, "gemma3"),
    (windows.interleaved(5, shared=15), f"{_WINDOW} num_kv_shared_layers", "gemma3n"),
    (windows.gemma4, f"{_WINDOW} num_kv_shared_layers per_layer_config", "gemma4 gemma4_unified"),
    (windows.mimo, f"{_WINDOW} {_MIMO} {_MIMO_HEADS}", "mimo_v2 mimo_v2_flash"),
    (windows.step, f"{_WINDOW} attention_other_setting per_layer_config", "step3p5 step3p7"),
    (windows.llama4, f"{_ROTARY} attention_chunk_size", "llama4"),
    (latent.latent, _LATENT, "deepseek_v2 deepseek_v3 kimi_k2 kimi_k25 glm4_moe_lite youtu axk1 mistral4"),
    (latent.indexed, f"{_LATENT} {_INDEXED} {_INDEXER}", "deepseek_v32 glm_moe_dsa"),
    (recurrent.delta_net, f"{_DELTA} full_attention_interval mamba_ssm_dtype", "qwen3_next qwen3_5 qwen3_5_moe"),
    (recurrent.delta_net, f"{_DELTA} {_DELTA_PARTS}", "olmo_hybrid"),
    (recurrent.kimi, f"{_LATENT} {_KIMI}", "kimi_linear kimi_k3"),
    (recurrent.glm5_next, f"{_LATENT} {_INDEXED} {_INDEXER} {_POOL} {_KIMI}", "glm5_next"),
    (recurrent.nemotron_h, f"{_NEMOTRON} {_NEMOTRON_PARTS} {_TIME}", "nemotron_h"),
    (recurrent.granite_hybrid, f"{_MAMBA} {_MAMBA_PARTS} {_TIME}", "granitemoehybrid"),
    (recurrent.bamba, f"{_MAMBA} {_MAMBA_PARTS} {_TIME} attn_layer_indices", "bamba"),
    (recurrent.falcon_h1, f"{_MAMBA} {_MAMBA_PARTS} {_TIME} {_FALCON_H1} {_FALCON_H1_PARTS}", "falcon_h1"),
    (recurrent.zamba2, f"{_MAMBA} {_MAMBA_PARTS} {_TIME} {_ZAMBA2}", "zamba2"),
    (recurrent.jamba, f"{_MAMBA} {_MAMBA_PARTS} attn_layer_period attn_layer_offset", "jamba"),
    (recurrent.mamba, f"{_TIME} state_size conv_kernel", "mamba falcon_mamba"),
    (recurrent.mamba2, f"{_TIME} state_size conv_kernel", "mamba2"),
    (recurrent.short_convolution, "conv_L_cache conv_dim conv_dim_out full_attn_idxs", "lfm2 lfm2_moe"),
    (recurrent.lightning, f"attn_type_list {_LIGHTNING}", "minimax minimax_text_01 minimax_m1"),
    (sparse.deepseek_v4, f"{_COMPRESSED} sliding_window", "deepseek_v4"),
    (sparse.minimax_m3, _SPARSE, "minimax_m3 minimax_m3_vl"),
)


@cache
def _families() -> Mapping[str, Family]:
    rows = ((name, Family(read, frozenset(keys.split()))) for read, keys, names in _TABLE for name in names.split())
    return MappingProxyType(dict(rows))
