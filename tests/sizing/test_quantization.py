"""What quantised checkpoints say of themselves, in the words of every library that writes them."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.errors import DeployAdvisorError, ModelError, Where
from deployadvisor.sizing.folder import read_folder
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.quantization import Quantization, quantization_of
from deployadvisor.sizing.weights import weight_bytes
from tests.sizing.test_folder import DEEPSEEK, GPT_OSS, LLAMA, QWEN35, write

HERE = Where("config.json")
LAYERS = frozenset(("attention", "recurrent", "feed_forward", "shared_experts", "experts"))


def read(section: object) -> Quantization:
    return quantization_of(section, HERE)


def compressed(*weights: dict[str, Any], ignore: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """compressed-tensors with one group for each ``weights``; ``more`` are fields of every group."""
    groups = {
        f"group_{at}": {"targets": ["Linear"], "weights": {"symmetric": True, **each}, **more}
        for at, each in enumerate(weights)
    }
    return {"quant_method": "compressed-tensors", "config_groups": groups, "ignore": ignore or ["lm_head"]}


INT4 = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}
FP8 = {"num_bits": 8, "type": "float", "strategy": "channel"}
MODELOPT = {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"]}


@pytest.mark.parametrize(
    ("section", "name", "bits"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}, "int4", 4.15625),
        ({"quant_method": "awq", "w_bit": 4, "q_group_size": 64}, "int4_g64", 4.3125),
        ({"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": True}, "int4_g32", 4.625),
        ({"quant_method": "gptq", "bits": 4, "group_size": -1}, "int4_channel", 4.01953125),
        ({"quant_method": "gptq", "bits": 4, "group_size": 16}, "int4", 5.25),
        ({"quant_method": "gptq", "bits": 8, "group_size": 128}, "int8_g128", 8.1875),
        ({"quant_method": "gptq", "bits": 3, "group_size": 128}, "int3", 3.1484375),
        ({"quant_method": "gptq", "bits": 5, "group_size": 128}, "int5", 5.1640625),
        ({"quant_method": "auto-round", "bits": 2, "group_size": 128, "data_type": "int"}, "int2", 2.140625),
        ({"quant_method": "inc", "bits": 4, "group_size": 128}, "int4", 4.15625),
        ({"quant_method": "auto-round", "bits": 4, "data_type": "mx_fp"}, "mxfp4", 4.25),
        ({"quant_method": "fp8", "activation_scheme": "dynamic"}, "fp8", 8),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8_block", 8.001953125),
        ({"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0}, "fp8", 8),
        ({"quant_method": "mxfp4"}, "mxfp4", 4.25),
        (compressed(INT4, ignore=["lm_head"]), "int4", 4.125),
        (compressed(INT4 | {"symmetric": False}), "int4", 4.15625),
        (
            compressed({"num_bits": 8, "type": "int", "strategy": "channel"}, input_activations={"num_bits": 8}),
            "int8",
            8,
        ),
        (compressed({"num_bits": 8, "type": "int", "group_size": 128}), "int8_g128", 8.125),
        (compressed(FP8), "fp8", 8),
        (compressed(FP8 | {"strategy": "block", "block_structure": [128, 128]}), "fp8_block", 8.001953125),
        (compressed({"num_bits": 4, "type": "float", "group_size": 16}), "nvfp4", 4.5),
        (compressed({"num_bits": 4, "type": "float", "group_size": 32}), "mxfp4", 4.25),
        (compressed({"num_bits": 8, "type": "float", "group_size": 32}), "mxfp8", 8.25),
        (MODELOPT, "nvfp4", 4.5),
        ({"quant_method": "modelopt", "quant_algo": "FP8", "exclude_modules": ["lm_head"]}, "fp8", 8),
        (compressed({"num_bits": 4, "type": "float", "group_size": 16}) | {"quant_method": "modelopt"}, "nvfp4", 4.5),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "bnb_nf4", 4.5),
        (
            {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": True},
            "bnb_nf4_double",
            4.126953125,
        ),
        ({"quant_method": "bitsandbytes", "_load_in_8bit": True}, "bnb_int8", 8.03125),
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp8_e4m3"}}}, "fp8", 8),
        (
            {"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp4", "group_size": 32}}},
            "mxfp4",
            4.25,
        ),
        (
            {"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "int4", "group_size": 128}}},
            "int4",
            4.15625,
        ),
        ({"quant_method": "torchao", "quant_type": "int4_weight_only"}, "torchao", None),
        ({"quant_method": "hqq", "quant_config": {}}, "hqq", None),
        ({"quant_method": "eetq"}, "eetq", None),
        ({"quant_method": "bitsandbytes"}, "bitsandbytes", None),
        ({"quant_method": "compressed-tensors"}, "compressed-tensors", None),
        ({"quant_method": "modelopt", "quant_algo": "W2A2"}, "modelopt", None),
        ({}, "unknown", None),
    ],
)
def test_the_number_format(section: dict[str, Any], name: str, bits: float | None) -> None:
    found = read(section)
    assert (found.format, found.bits) == (name, bits)
    assert found.mixed is False


@pytest.mark.parametrize(
    ("section", "kept"),
    [
        (
            {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"]},
            "attention head",
        ),
        ({"quant_method": "awq", "modules_to_not_convert": ["visual"]}, "vision"),
        ({"quant_method": "fp8", "ignored_layers": ["model.layers.0.mlp.gate"]}, "router"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True, "llm_int8_skip_modules": ["lm_head"]}, "head"),
        (MODELOPT | {"exclude_modules": ["*self_attn*", "*linear_attn*"]}, "attention recurrent head"),
        (
            compressed(INT4, ignore=["re:.*lm_head", "re:.*mlp.gate$", "re:vision_tower.*", "re:.*shared_experts.*"]),
            "head router vision shared_experts",
        ),
        (compressed(INT4, ignore=[r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"]), "feed_forward"),
        ({"quant_method": "gptq", "dynamic": {"-:.*self_attn.*": {}, "+:.*down.*": {"bits": 8}}}, "attention"),
        ({"quant_method": "auto-round", "extra_config": {"lm_head": {"bits": 16}, "x": {"bits": 4}}}, "head"),
        (
            {"quant_method": "quark", "exclude": ["lm_head"], "global_quant_config": {"weight": {"dtype": "int8"}}},
            "head",
        ),
        ({"quant_method": "fp8", "modules_to_not_convert": ["model.strange.0"]}, "unknown"),
    ],
)
def test_what_is_left_alone(section: dict[str, Any], kept: str) -> None:
    assert read(section).kept == set(kept.split())


def test_a_target_for_experts_leaves_everything_else_alone() -> None:
    section = compressed(INT4, ignore=[])
    section["config_groups"]["group_0"]["targets"] = ["re:.*mlp.experts.*"]
    assert read(section).kept >= LAYERS - {"experts"}
    assert read(section).format == "int4_experts"


def test_several_formats_count_with_the_most_bits_and_are_named_by_the_fewest() -> None:
    found = read(compressed(FP8, INT4))
    assert (found.format, found.bits, found.mixed) == ("int4", 8, True)
    layers = {"a": {"quant_algo": "NVFP4"}, "b": {"quant_algo": "FP8"}}
    mixed = read({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": layers})
    assert (mixed.format, mixed.bits, mixed.mixed) == ("nvfp4", 8, True)


def test_an_exception_of_one_layer_is_a_mixture() -> None:
    assert read({"quant_method": "fp8", "modules_to_not_convert": ["model.layers.7.mlp.down_proj"]}).mixed
    assert not read({"quant_method": "fp8", "modules_to_not_convert": ["re:.*self_attn.*"]}).mixed


def test_an_early_file_of_modelopt_does_not_name_it() -> None:
    """Qwen/Qwen3-32B-FP8-Static-PerTensor."""
    found = read({"quant_algo": "FP8", "ignore": ["lm_head"], "producer": {"name": "modelopt"}})
    assert (found.method, found.format) == ("modelopt", "fp8")


@pytest.mark.parametrize(
    ("algorithms", "name", "bits", "kept"),
    [
        (("FP8", "W4A16_NVFP4"), "nvfp4", {"recurrent": 8, "experts": 4.5}, "attention feed_forward shared_experts"),
        (("MXFP8", "NVFP4"), "nvfp4", {"recurrent": 8.25, "experts": 4.5}, "attention feed_forward shared_experts"),
    ],
)
def test_each_part_may_have_a_format(
    algorithms: tuple[str, str], name: str, bits: dict[str, float], kept: str
) -> None:
    """nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B-NVFP4; what is not listed is not quantised."""
    modules = ("backbone.layers.0.mixer.in_proj", "backbone.layers.1.mixer.experts.0.up_proj")
    layers = {module: {"quant_algo": algorithm} for module, algorithm in zip(modules, algorithms, strict=True)}
    found = read({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": layers})
    assert (found.format, dict(found.parts), found.kept, found.mixed) == (name, bits, set(kept.split()), False)


def test_an_algorithm_that_nobody_knows_is_not_left_out_of_the_sum() -> None:
    layers = {"layers.0.mlp.up_proj": {"quant_algo": "FP8"}, "layers.1.mlp.up_proj": {"quant_algo": "W1A1"}}
    assert read({"quant_method": "modelopt", "quantized_layers": layers}).bits is None


@pytest.mark.parametrize(
    ("pattern", "layers"),
    [
        ("model.layers.61*", {61}),
        ("language_model.model.layers.0*", {0}),
        ("re:model.layers.3.*", {3}),
        ("mtp.layers.0*", set()),
        ("model.layers.0.self_attn*", set()),
    ],
)
def test_layers_that_are_left_alone_wholly(pattern: str, layers: set[int]) -> None:
    found = read({"quant_method": "fp8", "ignore": [pattern]})
    assert found.kept_layers == layers
    assert "unknown" not in found.kept


def test_a_layer_left_alone_is_counted_and_one_that_predicts_ahead_is_not(tmp_path: Path) -> None:
    """nvidia/DeepSeek-V3.1-NVFP4 leaves layer 61 alone, which no engine loads."""
    sizes = {}
    for layer in (60, 61):
        section = MODELOPT | {"ignore": ["lm_head", f"model.layers.{layer}*"]}
        stored = read_folder(write(tmp_path / "m", DEEPSEEK | {"quantization_config": section})).stored
        assert stored is not None
        sizes[layer] = (stored.sure, stored.experts)
    experts = 256 * 3 * 7168 * 2048
    assert sizes[61] == ("computed", 58 * experts * 9 // 16)
    assert sizes[60] == ("bound", 57 * experts * 9 // 16 + experts * 2)


def test_a_pattern_is_never_run() -> None:
    """It would take longer than the universe has lasted."""
    read(compressed(INT4, ignore=["re:(a+)+$" + "a" * 100, "(" * 5_000 + "a" * 5_000]))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("awq", 'quantization_config must be an object, not "awq"'),
        ([], 'quantization_config must be an object, not "[]"'),
        ({"quant_method": 4}, 'quant_method must be a word, not "4"'),
        ({"quant_method": "awq", "bits": "four"}, 'bits must be from 1 to 16, not "four"'),
        ({"quant_method": "gptq", "bits": 0}, 'bits must be from 1 to 16, not "0"'),
        ({"quant_method": "gptq", "bits": -1}, "bits must be from 1 to 16, not -1"),
        ({"quant_method": "gptq", "bits": 1e12}, "bits must be from 1 to 16"),
        ({"quant_method": "awq", "bits": 4, "group_size": -128}, "group_size must be from 1 to 1,048,576"),
        ({"quant_method": "awq", "bits": 4, "group_size": 10**12}, "group_size must be from 1 to 1,048,576"),
        (compressed({"num_bits": True, "type": "int"}), "num_bits must be from 1 to 16"),
    ],
)
def test_what_cannot_be_is_refused(section: object, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        read(section)
    assert message in caught.value.message
    assert caught.value.where == HERE


# Where it stands


@pytest.mark.parametrize(
    "config",
    [
        LLAMA | {"quantization_config": MODELOPT},
        LLAMA | {"compression_config": MODELOPT},
        {**QWEN35, "text_config": QWEN35["text_config"] | {"quantization_config": MODELOPT}},
        {**QWEN35, "quantization_config": MODELOPT},
    ],
)
def test_it_is_found_wherever_it_stands(tmp_path: Path, config: dict[str, Any]) -> None:
    assert read_folder(write(tmp_path / "m", config)).native_format == "nvfp4"


def test_modelopt_has_a_file_of_its_own(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", LLAMA)
    own = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]}}
    (folder / "hf_quant_config.json").write_text(json.dumps(own), encoding="utf-8")
    assert read_folder(folder).native_format == "fp8"
    (folder / "hf_quant_config.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ModelError, match=r"hf_quant_config\.json:1:1: error: quantization must be an object"):
        read_folder(folder)


# Anything


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_METHODS = [
    "awq",
    "gptq",
    "fp8",
    "compressed-tensors",
    "modelopt",
    "mxfp4",
    "bitsandbytes",
    "auto-round",
    "quark",
    "?",
]
_WORDS = (
    "quant_method bits w_bit group_size q_group_size data_type weight_block_size load_in_4bit "
    "load_in_8bit config_groups targets weights num_bits type symmetric block_structure input_activations "
    "ignore ignored_layers dynamic modules_to_not_convert llm_int8_skip_modules exclude_modules exclude "
    "extra_config quant_algo quantized_layers global_quant_config layer_quant_config weight dtype group_0 "
    "lm_head "
)
_KEYS = sorted(_WORDS.split())
_SECTION = st.recursive(
    _JSON | st.sampled_from([4, 8, 16, 128, -1, "int", "float", "FP8", "fp4", "Linear", "re:.*self_attn.*"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(section=_SECTION, method=st.sampled_from(_METHODS))
def test_any_section_is_read_or_refused(section: Any, method: str) -> None:
    if isinstance(section, dict):
        section = section | {"quant_method": method}
    with contextlib.suppress(ModelError):
        found = read(section)
        assert found.format
        assert found.bits is None or 1 <= found.bits <= 64


@settings(max_examples=100, deadline=None)
@given(section=_SECTION, method=st.sampled_from(_METHODS), config=st.sampled_from([LLAMA, DEEPSEEK, GPT_OSS, QWEN35]))
def test_a_folder_with_any_section_is_sized_or_refused(
    tmp_path_factory: pytest.TempPathFactory, section: Any, method: str, config: dict[str, Any]
) -> None:
    if isinstance(section, dict):
        section = section | {"quant_method": method}
    folder = write(tmp_path_factory.getbasetemp() / "any-section", config | {"quantization_config": section})
    with contextlib.suppress(DeployAdvisorError):
        model = read_folder(folder)
        weight_bytes(geometry_of(model), model.native_format)
