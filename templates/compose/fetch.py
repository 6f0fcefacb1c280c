"""Fetch the weights before the engine starts, so that the engine itself needs no way to the internet.

Runs in the engine's image. What is on disk already is not fetched again, and is enough when the Hub cannot be
reached.
"""

import os
import sys

from huggingface_hub import snapshot_download
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

# Second copies of the weights in other formats, which some repositories carry.
NOT_NEEDED = ["original/*", "metal/*", "onnx/*", "*.pth", "*.onnx", "*.gguf", "consolidated*.safetensors"]


def main() -> None:
    """Fetch MODEL_ID: one GGUF file into GGUF_FOLDER, or a whole checkpoint into the cache."""
    model = os.environ["MODEL_ID"]
    try:
        path = fetch_gguf(model) if "GGUF_FOLDER" in os.environ else fetch_checkpoint(model)
    except GatedRepoError:
        sys.exit(f"{model} asks for a login: accept its terms at huggingface.co and set HF_TOKEN")
    except RepositoryNotFoundError:
        sys.exit(f"{model} does not exist at huggingface.co, or is private and HF_TOKEN is not set")
    except LocalEntryNotFoundError:
        sys.exit(f"{model} is not on disk and huggingface.co cannot be reached")
    print(f"weights are in {path}")


def fetch_checkpoint(model: str) -> str:
    """The whole repository, into the cache where the engine looks."""
    return snapshot_download(model, ignore_patterns=NOT_NEEDED)


def fetch_gguf(model: str) -> str:
    """The file of one quantisation, with all its parts."""
    quant = os.environ.get("GGUF_QUANT", "")
    patterns = [f"*{quant}*.gguf", f"*{quant.lower()}*.gguf"]
    return snapshot_download(model, allow_patterns=patterns, local_dir=os.environ["GGUF_FOLDER"])


if __name__ == "__main__":
    main()
