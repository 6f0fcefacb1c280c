"""Record which values the chart of vLLM's production stack reads, and of which types.

    python -m tests.render.charts.reduce CHART_FOLDER

Helm ignores a value that no template reads, and the chart's own schema refuses no unknown key, so that a misspelt
one is lost without a word. Written is ``vllm-stack-VERSION.json`` beside this file: for each place the keys that
templates read there, and the chart's schema of the two parts that the target renders, without descriptions.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PARTS = ("servingEngineSpec", "routerSpec")
MODEL = "servingEngineSpec.modelSpec"
NAMED = {
    **{part: (rf"\.Values\.{part}\.(\w+)",) for part in PARTS},
    MODEL: (r"\$modelSpec\.(\w+)", r'hasKey \$modelSpec "(\w+)"'),
    f"{MODEL}.initContainer": (r"\$container\.(\w+)", r'hasKey \$container "(\w+)"'),
    f"{MODEL}.pdb": (r"\$modelSpec\.pdb\.(\w+)",),
    f"{MODEL}.vllmConfig": (r"\$modelSpec\.vllmConfig\.(\w+)", r'hasKey \$modelSpec\.vllmConfig "(\w+)"'),
    "servingEngineSpec.vllmApiKey": (r"\$vllmApiKey\.(\w+)",),
}
"""Places, and how a template names a key there."""
BLOCKS = {
    f"{MODEL}.vllmConfig": r"with \$modelSpec\.vllmConfig ?\}\}((?:(?!with \$modelSpec).)*?range \.extraArgs)",
    "probe": r'define "chart\.templateProbe"(.*?)define "chart\.probes"',
}
"""Places whose keys stand bare inside a block."""
BARE = (r"(?:if|range|with|\{\{-?) \.(\w+)", r'hasKey \. "(\w+)"')


def main(chart: str) -> None:
    """Write the record of a chart."""
    folder = Path(chart)
    version = re.findall(r"^version: (\S+)", (folder / "Chart.yaml").read_text(encoding="utf-8"), re.MULTILINE)[0]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((folder / "templates").iterdir()))
    schema = json.loads((folder / "values.schema.json").read_text(encoding="utf-8"))["properties"]
    record = {"read": read_keys(text), "schema": {part: without_words(schema[part]) for part in PARTS}}
    path = FOLDER / f"vllm-stack-{version}.json"
    path.write_text(json.dumps(record, sort_keys=True, separators=(",", ":")) + "\n", encoding="utf-8")


def read_keys(text: str) -> dict[str, list[str]]:
    """The keys that the templates read, by place."""
    found = {place: _keys(patterns, text) for place, patterns in NAMED.items()}
    for place, block in BLOCKS.items():
        inside = "\n".join(re.findall(block, text, re.DOTALL))
        found.setdefault(place, set()).update(_keys(BARE, inside))
    return {place: sorted(keys) for place, keys in found.items()}


def _keys(patterns: tuple[str, ...], text: str) -> set[str]:
    """A name that begins like Helm's own objects is one of them."""
    return {key for pattern in patterns for key in re.findall(pattern, text) if key[0].islower()}


def without_words(schema: Any) -> Any:
    """A schema without descriptions and defaults; a property may well be called like either."""
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key not in ("description", "default", "title")}
    if "properties" in kept:
        kept["properties"] = {name: without_words(part) for name, part in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = without_words(kept["items"])
    return kept


if __name__ == "__main__":
    main(*sys.argv[1:])
