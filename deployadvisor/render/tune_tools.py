"""The fine-tuning recipe in the words of LLaMA-Factory and ms-swift: the same values as ``recipe.json``, other keys.

Every key is one of the tool's own argument classes in the pinned version. Paths are as seen from ``tune/``.
"""

from __future__ import annotations

from typing import Any

from deployadvisor.render.tune import Data, recipe
from deployadvisor.render.view import View

_ADAPTER = "output/adapter"
_MERGED = "output/merged"
_SWIFT = "output/swift"
_DATA = "conversations"
_FIRST_WITH_BF16 = 8
"""Major compute capability of the oldest NVIDIA cards that multiply in bfloat16."""


def dataset_info(view: View) -> Data:  # noqa: ARG001 - every builder is called alike
    """How LLaMA-Factory reads ``data/train.jsonl``."""
    tags = {"role_tag": "role", "content_tag": "content"}
    roles = {f"{role}_tag": role for role in ("user", "assistant", "system")}
    return {
        _DATA: {
            "file_name": "../data/train.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": {**tags, **roles},
        }
    }


def llama_factory_lora(view: View) -> Data | None:
    """LLaMA-Factory, LoRA."""
    return _llama_factory(view, "lora")


def llama_factory_qlora(view: View) -> Data | None:
    """LLaMA-Factory, LoRA over a base in 4 bits."""
    return _llama_factory(view, "qlora")


def llama_factory_full(view: View) -> Data | None:
    """LLaMA-Factory, all weights."""
    return _llama_factory(view, "full")


def llama_factory_merge(view: View) -> Data | None:
    """LLaMA-Factory: the adapter merged into the base in 16 bits."""
    values = recipe(view)
    if values["method"] == "full":
        return None
    return {
        "model_name_or_path": values["model"],
        "adapter_name_or_path": _ADAPTER,
        "trust_remote_code": values["trust_remote_code"],
        "finetuning_type": "lora",
        "export_dir": _MERGED,
        "export_size": 5,
        "export_device": "cpu",
        "export_legacy_format": False,
    }


def _llama_factory(view: View, method: str) -> Data | None:
    values = recipe(view)
    if not _offered(values, method):
        return None
    kept: Data = {
        "model_name_or_path": values["model"],
        "trust_remote_code": values["trust_remote_code"],
        "stage": "sft",
        "do_train": True,
        "dataset_dir": "llama-factory",
        "dataset": _DATA,
        "cutoff_len": values["max_length"],
        "mask_history": True,
        "val_size": values["evaluation_share"],
        "output_dir": _MERGED if method == "full" else _ADAPTER,
        **_training(values, method),
        "report_to": "none",
        _half(view): True,
    }
    if method == "full":
        return {**kept, "finetuning_type": "full"}
    target = values["lora"]["target_modules"]
    adapter = {
        "finetuning_type": "lora",
        **_lora(values),
        "lora_target": "all" if target == "all-linear" else target,
    }
    four_bit = {"quantization_bit": 4, "quantization_method": "bnb", "quantization_type": "nf4"}
    return {**kept, **adapter, **({**four_bit, "double_quantization": True} if method == "qlora" else {})}


def swift_lora(view: View) -> Data | None:
    """ms-swift, LoRA."""
    return _swift(view, "lora")


def swift_qlora(view: View) -> Data | None:
    """ms-swift, LoRA over a base in 4 bits."""
    return _swift(view, "qlora")


def swift_full(view: View) -> Data | None:
    """ms-swift, all weights."""
    return _swift(view, "full")


def swift_merge(view: View) -> Data | None:
    """ms-swift: the adapter merged into the base in 16 bits."""
    if recipe(view)["method"] == "full":
        return None
    return {"adapters": [f"{_SWIFT}/last"], "merge_lora": True, "output_dir": _MERGED, "use_hf": True}


def _swift(view: View, method: str) -> Data | None:
    values = recipe(view)
    if not _offered(values, method):
        return None
    half = {"bf16": "bfloat16", "fp16": "float16"}[_half(view)]
    kept: Data = {
        "model": values["model"],
        "use_hf": True,
        "tuner_type": "full" if method == "full" else "lora",
        "dataset": ["data/train.jsonl"],
        "split_dataset_ratio": values["evaluation_share"],
        "max_length": values["max_length"],
        "loss_scale": "last_round",
        "torch_dtype": "float32" if method == "full" else half,
        "output_dir": _SWIFT,
        "add_version": False,
        "create_checkpoint_symlink": True,
        **_training(values, method),
        "report_to": ["none"],
    }
    if method == "full":
        return {**kept, _half(view): True}
    adapter = {**_lora(values), "target_modules": [values["lora"]["target_modules"]]}
    four_bit = {"quant_method": "bnb", "quant_bits": 4, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": half}
    return {**kept, **adapter, **({**four_bit, "bnb_4bit_use_double_quant": True} if method == "qlora" else {})}


def _offered(values: Data, method: str) -> bool:
    """Full tuning and adapters exclude each other."""
    return bool((values["method"] == "full") == (method == "full"))


def _training(values: Data, method: str) -> Data:
    """What both tools take from the trainer of Transformers, under the same names."""
    return {
        "num_train_epochs": values["epochs"],
        "per_device_train_batch_size": values["batch_size"],
        "per_device_eval_batch_size": values["batch_size"],
        "gradient_accumulation_steps": values["gradient_accumulation"],
        "learning_rate": values["learning_rate"][method],
        "lr_scheduler_type": "cosine",
        "warmup_ratio": values["warmup_ratio"],
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "save_total_limit": 2,
        "logging_steps": 1,
        "seed": values["seed"],
    }


def _lora(values: Data) -> Data:
    lora: dict[str, Any] = values["lora"]
    return {"lora_rank": lora["rank"], "lora_alpha": lora["alpha"], "lora_dropout": lora["dropout"]}


def _half(view: View) -> str:
    """The 16-bit format that the cards have; one that is not known is taken for new."""
    major = (view.cards.compute_capability or "").partition(".")[0]
    return "fp16" if major.isdecimal() and int(major) < _FIRST_WITH_BF16 else "bf16"
