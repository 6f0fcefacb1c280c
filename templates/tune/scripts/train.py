"""Fine-tune the model of recipe.json on conversations: LoRA, QLoRA (4-bit base) or all weights.

    python train.py                        the method of recipe.json, data/train.jsonl
    python train.py --method qlora         a quarter of the memory for the base model
    accelerate launch --num_processes 2 train.py      one process a card

LoRA and QLoRA leave an adapter in output/adapter (then run merge.py); full tuning leaves output/merged.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from common import ADAPTER, HERE, MERGED, best_dtype, let_read, model_path, read_conversations, read_recipe
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoTokenizer, BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer


def main() -> None:
    """Train and save."""
    options = parse_arguments()
    recipe = read_recipe()
    method = options.method or recipe["method"]
    tokenizer = load_tokenizer(recipe)
    train, held_out = split(read_conversations(options.data), recipe)
    trainer = SFTTrainer(
        model=model_path(recipe["model"]),
        args=training_arguments(recipe, method, options, has_evaluation=held_out is not None),
        train_dataset=train,
        eval_dataset=held_out,
        processing_class=tokenizer,
        peft_config=lora(recipe) if method != "full" else None,
        quantization_config=four_bit(options.cpu) if method == "qlora" else None,
    )
    trainer.train()
    target = MERGED if method == "full" else ADAPTER
    trainer.save_model(str(target))
    if trainer.is_world_process_zero():
        let_read(target)
    print(f"saved {target.relative_to(HERE)}")


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=["lora", "qlora", "full"])
    parser.add_argument("--data", type=Path, default=HERE / "data" / "train.jsonl")
    parser.add_argument("--max-steps", type=int, default=-1, help="stop early, to try the recipe")
    parser.add_argument("--cpu", action="store_true", help="train without a card, to try the recipe")
    return parser.parse_args()


def load_tokenizer(recipe: dict[str, Any]) -> Any:
    """The tokenizer; conversations need a chat template, which base models often lack."""
    path = model_path(recipe["model"])
    tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=recipe["trust_remote_code"])
    if tokenizer.chat_template is None:
        raise SystemExit(f"{recipe['model']} has no chat template; take the instruction-tuned variant of the model")
    return tokenizer


def split(conversations: list[list[dict[str, str]]], recipe: dict[str, Any]) -> tuple[Dataset, Dataset | None]:
    """Prompt and answer of each conversation, with a share held out; loss is computed on the answer only."""
    rows = [{"prompt": messages[:-1], "completion": messages[-1:]} for messages in conversations]
    held_out = int(len(rows) * recipe["evaluation_share"])
    if not held_out:
        return Dataset.from_list(rows), None
    parts = Dataset.from_list(rows).train_test_split(test_size=held_out, seed=recipe["seed"])
    return parts["train"], parts["test"]


def training_arguments(
    recipe: dict[str, Any], method: str, options: argparse.Namespace, *, has_evaluation: bool
) -> SFTConfig:
    """The recipe in TRL's words. All weights are kept in float32 while they are trained, an adapter's base is not."""
    dtype = best_dtype(options.cpu)
    return SFTConfig(
        output_dir=str(HERE / "output" / "checkpoints"),
        model_init_kwargs={"dtype": "float32" if method == "full" else dtype},
        trust_remote_code=recipe["trust_remote_code"],
        max_length=recipe["max_length"],
        num_train_epochs=recipe["epochs"],
        max_steps=options.max_steps,
        per_device_train_batch_size=recipe["batch_size"],
        per_device_eval_batch_size=recipe["batch_size"],
        gradient_accumulation_steps=recipe["gradient_accumulation"],
        learning_rate=recipe["learning_rate"][method],
        warmup_steps=recipe["warmup_ratio"],
        lr_scheduler_type="cosine",
        bf16=dtype == "bfloat16",
        fp16=dtype == "float16",
        use_cpu=options.cpu,
        eval_strategy="epoch" if has_evaluation else "no",
        save_strategy="epoch",
        save_total_limit=2,
        logging_steps=1,
        report_to="none",
        seed=recipe["seed"],
    )


def lora(recipe: dict[str, Any]) -> LoraConfig:
    """Small trainable matrices beside every linear layer."""
    values = recipe["lora"]
    return LoraConfig(
        r=values["rank"],
        lora_alpha=values["alpha"],
        lora_dropout=values["dropout"],
        target_modules=values["target_modules"],
        task_type="CAUSAL_LM",
    )


def four_bit(cpu: bool) -> BitsAndBytesConfig:
    """The frozen base in 4 bits; only the adapter is trained in full width."""
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, best_dtype(cpu)),
    )


if __name__ == "__main__":
    main()
