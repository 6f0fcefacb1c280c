"""Compare the served model with the same weights in Transformers, so that a fault of serving is not taken for quality.

Both answer the same prompts greedily. Small differences late in an answer are rounding; a difference in the first
words is a wrong chat template, a wrong adapter or a quantisation that hurts.

    API_KEY=… python parity.py             the service of recipe.json against output/merged
    API_KEY=… python parity.py --model NAME --base-url http://127.0.0.1:8081/v1      under another name or port
"""

from __future__ import annotations

import argparse
import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from common import HERE, MERGED, best_dtype, model_path, read_conversations, read_recipe
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    """Ask both, print each pair, and fail when the answers part too early."""
    options = parse_arguments()
    recipe = read_recipe()
    limit = recipe["parity"]["max_new_tokens"]
    prompts = [messages[:-1] for messages in read_conversations(options.data)][: options.prompts]
    path = str(MERGED) if MERGED.is_dir() else model_path(recipe["model"])
    tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=recipe["trust_remote_code"])
    model = load(path, options.cpu, recipe)
    shares = []
    for prompt in prompts:
        served = ask(options.base_url or recipe["base_url"], options.model or recipe["served_name"], prompt, limit)
        expected = generate(model, tokenizer, prompt, limit)
        shares.append(common_share(served, expected))
        pair = {"common": round(shares[-1], 3), "served": served, "transformers": expected}
        print(json.dumps(pair, ensure_ascii=False))
    mean = sum(shares) / len(shares)
    passed = mean >= recipe["parity"]["min_common_share"]
    print(f"{'PASS' if passed else 'FAIL'}  {mean:.0%} of the text agrees, from the start, over {len(shares)} prompts")
    raise SystemExit(0 if passed else 1)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", help="base URL of the service, with /v1")
    parser.add_argument("--model", help="name of the served model or adapter")
    parser.add_argument("--data", type=Path, default=HERE / "data" / "train.jsonl")
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--cpu", action="store_true", help="run Transformers without a card, beside a full one")
    return parser.parse_args()


def load(path: str, cpu: bool, recipe: dict[str, Any]) -> Any:
    """The reference model, in the format the card can do."""
    model = AutoModelForCausalLM.from_pretrained(
        path, dtype=best_dtype(cpu), trust_remote_code=recipe["trust_remote_code"]
    )
    return model if cpu or best_dtype(cpu) == "float32" else model.to("cuda")


def generate(model: Any, tokenizer: Any, prompt: list[dict[str, str]], limit: int) -> str:
    """The greedy answer of Transformers."""
    inputs = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    output = model.generate(**inputs.to(model.device), max_new_tokens=limit, do_sample=False)
    return tokenizer.decode(output[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()


def ask(base_url: str, model: str, prompt: list[dict[str, str]], limit: int) -> str:
    """The greedy answer of the service."""
    body = {"model": model, "messages": prompt, "max_tokens": limit, "temperature": 0}
    request = urllib.request.Request(
        f"{base_url}/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {os.environ.get('API_KEY', 'none')}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            message = json.load(answer)["choices"][0]["message"]
    except urllib.error.HTTPError as error:
        raise SystemExit(f"FAIL  {base_url} answered HTTP {error.code}: {error.read(300)!r}") from error
    except urllib.error.URLError as error:
        raise SystemExit(f"FAIL  {base_url} cannot be reached: {error.reason}") from error
    return (message.get("content") or "").strip()


def common_share(served: str, expected: str) -> float:
    """How far two answers are the same from the start, as a share of the longer one."""
    longest = max(len(served), len(expected))
    return len(os.path.commonprefix([served, expected])) / longest if longest else 1.0


if __name__ == "__main__":
    main()
