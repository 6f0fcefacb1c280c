"""Merge the adapter into the base model, in 16 bits, so that any engine can serve the result.

An adapter trained with QLoRA is merged into the unquantised base as well; quantise the result afterwards if you
must, and measure again.
"""

from __future__ import annotations

import argparse

import torch
from common import ADAPTER, HERE, MERGED, let_read, model_path, read_recipe
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    """Load, merge, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=["bfloat16", "float16", "float32"], default="bfloat16")
    options = parser.parse_args()
    recipe = read_recipe()
    if not ADAPTER.is_dir():
        raise SystemExit(f"{ADAPTER} is not there: run train.py first")
    base = AutoModelForCausalLM.from_pretrained(
        model_path(recipe["model"]),
        dtype=getattr(torch, options.dtype),
        trust_remote_code=recipe["trust_remote_code"],
    )
    merged = PeftModel.from_pretrained(base, str(ADAPTER)).merge_and_unload()
    merged.save_pretrained(str(MERGED))
    AutoTokenizer.from_pretrained(str(ADAPTER)).save_pretrained(str(MERGED))
    let_read(MERGED)
    print(f"saved {MERGED.relative_to(HERE)}")


if __name__ == "__main__":
    main()
