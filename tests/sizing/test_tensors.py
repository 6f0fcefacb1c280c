"""Which part of a model a tensor belongs to, as far as its name tells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.sizing.tensors import Share, Tensor, group_of, is_quantised, shares_of


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("model.embed_tokens.weight", "embeddings"),
        ("transformer.wte.weight", "embeddings"),
        ("token_embd.weight", "embeddings"),
        ("per_layer_token_embd.weight", "embeddings"),
        ("lm_head.weight", "head"),
        ("output.weight", "head"),
        ("model.norm.weight", "norms"),
        ("model.layers.0.input_layernorm.weight", "norms"),
        ("model.layers.0.self_attn.q_norm.weight", "norms"),
        ("transformer.ln_f.weight", "norms"),
        ("blk.0.attn_norm.weight", "norms"),
        ("model.layers.0.self_attn.q_proj.qweight", "attention"),
        ("transformer.h.0.attn.c_attn.weight", "attention"),
        ("model.layers.0.attention.wqkv.weight", "attention"),
        ("encoder.layer.0.attention.output.dense.weight", "attention"),
        ("blk.0.attn_kv_a_mqa.weight", "attention"),
        ("model.layers.0.mlp.gate_proj.weight", "feed_forward"),
        ("blk.0.ffn_down.weight", "feed_forward"),
        ("model.layers.0.mlp.gate.weight", "router"),
        ("model.layers.0.block_sparse_moe.gate.weight", "router"),
        ("blk.0.ffn_gate_inp.weight", "router"),
        ("blk.0.exp_probs_b.bias", "router"),
        ("model.layers.3.mlp.experts.17.down_proj.weight", "experts"),
        ("model.layers.3.mlp.experts.gate_up_proj_blocks", "experts"),
        ("blk.3.ffn_gate_exps.weight", "experts"),
        ("model.layers.3.mlp.shared_experts.up_proj.weight", "shared_experts"),
        ("blk.3.ffn_up_shexp.weight", "shared_experts"),
        ("model.layers.0.linear_attn.in_proj_qkvz.weight", "recurrent"),
        ("backbone.layers.0.mixer.A_log", "recurrent"),
        ("blk.0.ssm_conv1d.weight", "recurrent"),
        ("model.visual.blocks.0.attn.qkv.weight", "vision"),
        ("vision_tower.encoder.layers.0.layer_norm1.weight", "vision"),
        ("multi_modal_projector.linear_1.weight", "vision"),
        ("model.audio_tower.layers.0.fc1.weight", "audio"),
        ("mtp.layers.0.self_attn.q_proj.weight", "mtp"),
        ("blk.46.nextn.eh_proj.weight", "mtp"),
        ("rope_freqs.weight", "unknown"),
        ("something.else", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_group_of_a_name(name: str, group: str) -> None:
    assert group_of(name) == group


def test_layers_after_the_last_are_prediction_but_not_those_of_a_vision_tower() -> None:
    assert group_of("model.layers.61.self_attn.o_proj.weight", layers=61) == "mtp"
    assert group_of("model.layers.60.self_attn.o_proj.weight", layers=61) == "attention"
    assert group_of("model.layers.60.mlp.experts.255.up_proj.weight", layers=61) == "experts"
    assert group_of("vision_tower.layers.61.mlp.fc1.weight", layers=61) == "vision"


@pytest.mark.parametrize(
    ("name", "dtype", "quantised"),
    [
        ("q_proj.qweight", "I32", True),
        ("q_proj.scales", "F16", True),
        ("q_proj.g_idx", "I32", True),
        ("q_proj.weight", "F8_E4M3", True),
        ("q_proj.weight_scale_inv", "F32", True),
        ("experts.gate_up_proj_scales", "U8", True),
        ("blk.0.attn_q.weight", "Q4_K", True),
        ("q_proj.weight", "BF16", False),
        ("blk.0.attn_norm.weight", "F32", False),
        ("num_batches_tracked", "I64", False),
    ],
)
def test_packed_weights_and_their_scales_are_quantised(name: str, dtype: str, quantised: bool) -> None:
    assert is_quantised(name, dtype) is quantised


@given(names=st.lists(st.text(alphabet="layers.0123456789abcmtp", max_size=40), max_size=20))
def test_nothing_is_lost_in_the_sums(names: list[str]) -> None:
    tensors = [Tensor(name, "F16", (number, 2), 4 * number) for number, name in enumerate(names)]
    shares = shares_of(tensors, layers=3)
    assert sum(share.bytes for share in shares) == sum(tensor.bytes for tensor in tensors)
    assert sum(share.tensors for share in shares) == len(tensors)
    assert all(share.bytes == 2 * share.elements for share in shares)


def test_no_tensors_no_shares() -> None:
    assert shares_of([]) == ()
    assert shares_of([Tensor("w", "F16", (2,), 4)]) == (Share("unknown", "F16", False, 1, 2, 4),)
