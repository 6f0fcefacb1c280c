"""Fetch the weights into a folder of plain files, which no file system of a disk in transit can harm.

The first run writes the commit that it found into LOCK; every later one takes the same commit, so that a fetch that
was broken off goes on with the same files. HUB_SUMS gets the digests that the hub publishes, in sha256sum's format.
"""

import json
import os
import sys
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import filter_repo_objects

# Second copies of the weights in other formats, which some repositories carry.
NOT_NEEDED = ["original/*", "metal/*", "onnx/*", "*.pth", "*.onnx", "*.gguf", "consolidated*.safetensors"]


def main() -> None:
    """Fetch MODEL_ID at the locked commit, or at REVISION, or at the newest, into FOLDER."""
    model, lock = os.environ["MODEL_ID"], Path(os.environ["LOCK"])
    try:
        info = HfApi().model_info(model, revision=revision(model, lock), files_metadata=True)
        wanted = list(filter_repo_objects(info.siblings, key=lambda one: one.rfilename, **patterns()))
        if not wanted:
            sys.exit(f"{model} has no file of {os.environ.get('GGUF_QUANT')}: {[f.rfilename for f in info.siblings]}")
        lock.write_text(json.dumps({"model": model, "revision": info.sha}) + "\n", encoding="utf-8")
        snapshot_download(model, revision=info.sha, local_dir=os.environ["FOLDER"], **patterns())
    except GatedRepoError:
        sys.exit(f"{model} asks for a login: accept its terms at huggingface.co and set HF_TOKEN")
    except RevisionNotFoundError:
        sys.exit(f"{model} has no revision {revision(model, lock)}")
    except RepositoryNotFoundError:
        sys.exit(f"{model} does not exist at huggingface.co, or is private and HF_TOKEN is not set")
    refuse_incomplete(wanted)
    sums = "".join(f"{one.lfs.sha256}  weights/{one.rfilename}\n" for one in wanted if one.lfs)
    Path(os.environ["HUB_SUMS"]).write_text(sums, encoding="utf-8")
    print(f"{model} at commit {info.sha}: {len(wanted)} files")


def revision(model: str, lock: Path) -> str | None:
    """The commit of the first run; a lock of another model is refused."""
    if not lock.exists():
        return os.environ.get("REVISION") or None
    locked = json.loads(lock.read_text(encoding="utf-8"))
    if locked["model"] != model:
        sys.exit(f"weights/ holds {locked['model']}: remove weights/ and airgap/weights.lock to take {model}")
    return locked["revision"]


def patterns() -> dict[str, list[str]]:
    """One quantisation of a GGUF repository, or everything that is no second copy."""
    quant = os.environ.get("GGUF_QUANT")
    if quant:
        return {"allow_patterns": [f"*{quant}*.gguf", f"*{quant.lower()}*.gguf"]}
    return {"ignore_patterns": NOT_NEEDED}


def refuse_incomplete(wanted: list) -> None:
    """Every file must be there with the size that the hub states."""
    for one in wanted:
        path = Path(os.environ["FOLDER"]) / one.rfilename
        if not path.is_file() or path.stat().st_size != one.size:
            sys.exit(f"weights/{one.rfilename} is not {one.size} bytes long: remove it and run export.sh again")


if __name__ == "__main__":
    main()
