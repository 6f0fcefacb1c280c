"""What the scripts share: the recipe, the conversations, and the number format that the card can do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ADAPTER = HERE / "output" / "adapter"
MERGED = HERE / "output" / "merged"

Messages = list[dict[str, str]]


def read_recipe() -> dict[str, Any]:
    """The values of ``recipe.json``."""
    return json.loads((HERE / "recipe.json").read_text(encoding="utf-8"))


def read_conversations(path: Path) -> list[Messages]:
    """The conversations of a JSONL file; a wrong line stops with its number."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [_conversation(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise SystemExit(f"{path}: no conversations")
    return found


def _conversation(line: str, where: str) -> Messages:
    try:
        messages = json.loads(line)["messages"]
        roles = [message["role"] for message in messages]
        filled = all(isinstance(message["content"], str) and message["content"].strip() for message in messages)
    except (ValueError, KeyError, TypeError) as error:
        raise SystemExit(f'{where}: not {{"messages": [{{"role": …, "content": …}}]}} ({error})') from error
    if len(roles) < 2 or roles[-2:] != ["user", "assistant"] or not set(roles) <= {"system", "user", "assistant"}:
        raise SystemExit(f"{where}: a conversation ends with a user message and the assistant's answer")
    if not filled:
        raise SystemExit(f"{where}: a message is empty")
    return messages


def model_path(name: str) -> str:
    """A Hub id as it is, a local folder as a path."""
    return str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name


def let_read(folder: Path) -> None:
    """Let other accounts read the saved model: weights are written for this one alone, and an engine has its own."""
    for path in folder.iterdir():
        path.chmod(path.stat().st_mode | 0o444)


def best_dtype(cpu: bool) -> str:
    """bfloat16 where the card has it, float16 on older cards, float32 on a CPU."""
    import torch

    if cpu or not torch.cuda.is_available():
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
