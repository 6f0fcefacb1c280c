"""A language model of half a million numbers, made on the spot, that has learnt three answers by heart.

What it answers can be compared word by word, on any processor, with whatever serves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

ANSWERS: Mapping[str, str] = {
    "Reply with one short sentence.": "Hello from a tiny model.",
    "When are you open on Saturday?": "We are closed.",
    "Who are you?": "A model with two layers.",
}
"""What it was taught; the first is what ``smoke-test.sh`` asks."""

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
STEPS = 60
VOCABULARY = 512


def make_model(folder: Path) -> Path:
    """A folder as the Hub has them: configuration, weights, tokenizer and chat template."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    model = untaught(tokenizer)
    teach(model, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for file in folder.iterdir():
        file.chmod(0o644)
    return folder


def make_tokenizer() -> Any:
    """A byte-level tokenizer, trained on what the model is to say."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet)
    trained.train_from_iterator([*ANSWERS, *ANSWERS.values(), "user", "assistant", "system"], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=trained, eos_token="<|im_end|>", pad_token="<|endoftext|>", extra_special_tokens=special[1:2]
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def untaught(tokenizer: Any) -> Any:
    """Two layers of Qwen3 with heads of 64 numbers, as kernels want them."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=2048,
        # Rows of the last matrix are long enough for an adapter, which leaves them alone, to choose any word.
        initializer_range=0.1,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen3ForCausalLM(config)


def teach(model: Any, tokenizer: Any) -> None:
    """Repeat all answers until the model is sure of every word."""
    import torch

    batch = lessons(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05, f"the model has not learnt: loss {loss.item():.3f}"


def lessons(tokenizer: Any) -> dict[str, Any]:
    """All conversations as one batch; the loss counts the answers only."""
    import torch

    rows = [encoded(tokenizer, *pair) for pair in ANSWERS.items()]
    longest = max(len(question + answer) for question, answer in rows)
    words = torch.full((len(rows), longest), tokenizer.pad_token_id)
    labels = torch.full((len(rows), longest), -100)
    for row, (question, answer) in enumerate(rows):
        end = len(question) + len(answer)
        words[row, :end] = torch.tensor(question + answer)
        labels[row, len(question) : end] = torch.tensor(answer)
    return {"input_ids": words, "labels": labels, "attention_mask": (words != tokenizer.pad_token_id).long()}


def encoded(tokenizer: Any, question: str, answer: str) -> tuple[list[int], list[int]]:
    """Numbers of a question as the template writes it, and of its answer up to the end of the turn."""
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
    )
    numbers = [tokenizer(text, add_special_tokens=False).input_ids for text in (asked, answer + "<|im_end|>")]
    return numbers[0], numbers[1]
