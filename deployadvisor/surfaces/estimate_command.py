"""``deployadvisor estimate``: memory of one model on one machine, term by term, or of every row of a CSV file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from deployadvisor.catalog.overheads import Method
from deployadvisor.errors import DeployAdvisorError, Where
from deployadvisor.estimation import Estimate, Work, estimate, estimate_tuning, sources
from deployadvisor.hardware.machine import MAX_NODES, Unknown
from deployadvisor.sizing.finetune_tuning import Tuning
from deployadvisor.sizing.parallel import Layout, Wanted
from deployadvisor.sizing.policy import GIB
from deployadvisor.sizing.terms import Term
from deployadvisor.surfaces import options
from deployadvisor.surfaces.estimate_csv import write_estimates
from deployadvisor.surfaces.estimate_tuning import show_tuning, tuning_as_dict
from deployadvisor.surfaces.estimate_view import show, show_sources

_SIZE = click.IntRange(1, 4096)
_MODEL_HELP = "Catalogue model, alias, folder with config.json, GGUF file, or hub id."
_EPILOG = """\b
Examples:
  deployadvisor estimate --model Qwen/Qwen3-8B --hardware "1x RTX 4090"
  deployadvisor estimate --model deepseek-ai/DeepSeek-V3 --hardware "8x H200" --concurrency 64
  deployadvisor estimate --model Qwen/Qwen3-14B --hardware "1x A100 80GB" --tune lora
  deployadvisor estimate --csv in.csv --out out.csv
"""


@click.command("estimate", epilog=_EPILOG)
@click.option("--model", "model_name", help=_MODEL_HELP)
@click.option("--hardware", default="probe", show_default=True, help="Machine, as for recommend.")
@click.option("--engine", "engine_name", default="vllm", show_default=True, help="Engine whose memory policy counts.")
@click.option("--precision", help="bf16, fp8, int4, q4_k_m …; the least harmful that fits when left out.")
@click.option("--kv-dtype", default="auto", show_default=True, help="Number format of the KV cache.")
@click.option("--tensor-parallel", type=_SIZE, help="Cards that share every layer; searched when left out.")
@click.option("--pipeline-parallel", type=_SIZE, help="Groups of cards that hold consecutive layers.")
@click.option("--data-parallel", type=_SIZE, help="Groups of cards that serve requests of their own.")
@click.option("--expert-parallel", type=_SIZE, help="Cards over which whole experts are dealt.")
@click.option("--nodes", type=click.IntRange(1, MAX_NODES), help="Machines like this one; else as --hardware says.")
@click.option("--input-tokens", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--output-tokens", type=click.IntRange(1), default=256, show_default=True)
@click.option("--concurrency", type=click.IntRange(1), default=1, show_default=True, help="Sequences at once.")
@click.option("--tune", type=click.Choice(["full", "lora", "qlora"]), help="Estimate fine-tuning instead of serving.")
@click.option("--sequence-tokens", type=click.IntRange(1), default=2048, show_default=True, help="Of --tune.")
@click.option("--micro-batch", type=click.IntRange(1), default=1, show_default=True, help="Of --tune, on one card.")
@click.option("--rank", type=click.IntRange(1), default=16, show_default=True, help="Of --tune lora and qlora.")
@click.option("--csv", "table", type=click.Path(path_type=Path), help="Estimate every row of this file instead.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the rows of --csv go.")
@click.option("--sources", "with_sources", is_flag=True, help="Say where each figure was read.")
@options.json_option
def command(
    model_name: str | None,
    hardware: str,
    engine_name: str,
    precision: str | None,
    kv_dtype: str,
    tensor_parallel: int | None,
    pipeline_parallel: int | None,
    data_parallel: int | None,
    expert_parallel: int | None,
    nodes: int | None,
    tune: Method | None,
    sequence_tokens: int,
    micro_batch: int,
    rank: int,
    input_tokens: int,
    output_tokens: int,
    concurrency: int,
    table: Path | None,
    out: Path | None,
    with_sources: bool,
    as_json: bool,
) -> int:
    """Estimate the memory a model needs: a ledger of one card, how sure each term is, and what would make it fit.

    To serve it, or with --tune to fine-tune it; --csv takes a table of models to serve.

    Speed is not estimated yet.
    """
    if table is not None or out is not None:
        return _table(table, out, model_name, as_json=as_json)
    if model_name is None:
        remedy = "say --model Qwen/Qwen3-8B, or --csv FILE"
        raise DeployAdvisorError("no model is named", where=Where("--model"), remedy=remedy)
    if tune is not None:
        return _tuning(model_name, hardware, Tuning(tune, sequence_tokens, micro_batch, rank), as_json=as_json)
    found = estimate(
        model_name,
        hardware,
        engine=engine_name,
        precision=precision,
        kv_dtype=kv_dtype,
        work=Work(input_tokens, output_tokens, concurrency),
        wanted=Wanted(tensor_parallel, pipeline_parallel, data_parallel, expert_parallel),
        nodes=nodes,
    )
    if as_json:
        options.print_json(as_dict(found))
    else:
        for line in show(found, bars=sys.stdout.isatty()):
            click.echo(line)
        for line in show_sources(found) if with_sources else ():
            click.echo(line)
    return 0


def _tuning(model_name: str, hardware: str, tuning: Tuning, *, as_json: bool) -> int:
    found = estimate_tuning(model_name, hardware, tuning)
    if as_json:
        options.print_json(tuning_as_dict(found))
    else:
        for line in show_tuning(found, bars=sys.stdout.isatty()):
            click.echo(line)
    return 0


def _table(table: Path | None, out: Path | None, model_name: str | None, *, as_json: bool) -> int:
    """``--csv`` and ``--out`` belong together, and nothing else is estimated beside them."""
    if table is None or out is None:
        raise DeployAdvisorError("--csv and --out go together", where=Where("--csv" if out is None else "--out"))
    if model_name is not None:
        raise DeployAdvisorError("the models stand in the file of --csv", where=Where("--model"))
    counts = write_estimates(table, out)
    if as_json:
        options.print_json({"rows": counts.rows, "estimated": counts.estimated, "out": str(out)})
    else:
        rest = "" if counts.estimated == counts.rows else "; the others say why in reason"
        click.echo(f"{out}: {counts.estimated:,} of {counts.rows:,} rows estimated{rest}")
    return 0


def as_dict(found: Estimate) -> dict[str, object]:
    """An estimate as JSON: figures over all cards, terms of the fullest one."""
    head: dict[str, object] = {
        "model": found.asked.geometry.name,
        "engine": found.asked.engine.id,
        "hardware": found.asked.cards.id or found.asked.cards.name,
        "gpus": found.asked.cards.all,
        "total_params": found.asked.geometry.total_params,
        "active_params": found.asked.geometry.active_params,
        **_anywhere(found),
        "notes": list(found.notes),
    }
    choice, placed = found.choice, found.fit
    if isinstance(choice, Unknown):
        return {**head, "fits": None, "reason": found.reason}
    if placed is None:
        return {**head, "fits": False, "reason": found.reason}
    return {
        **head,
        "fits": placed.verdict,
        "all_at_once": placed.fits,
        "reason": found.reason,
        "hint": choice.hint,
        "precision": placed.load.precision,
        "obtained": choice.obtained,
        "kv_dtype": placed.load.kv_dtype,
        "cards": placed.cards,
        "card_indexes": list(found.asked.cards.numbers(placed.cards)),
        **_sizes(placed.layout),
        "kv_room_gib": placed.kv_room_gib,
        "max_concurrency": placed.max_concurrency,
        "available_gib_per_card": placed.available_gib,
        "reserved_gib_per_card": placed.reserved_gib,
        "memory_share": placed.memory_share,
        "held_back_gib_per_card": _terms(placed.held_back),
        "terms_gib_per_card": _terms(placed.terms),
        "tried": [{"layout": str(tried.layout), "reason": tried.reason} for tried in placed.tried],
        "sources": {what: list(read) for what, read in sources(found)},
        "remedies": [
            {"kind": remedy.kind, "text": remedy.text, "harm": remedy.harm, "reason": remedy.fit.reason}
            for remedy in found.remedies
        ],
    }


def _anywhere(found: Estimate) -> dict[str, object]:
    """Weights and cache whatever the engine; null where not known."""
    held = found.anywhere
    cache = None if isinstance(held.cache, Unknown) else held.cache
    return {
        "weights_gib": None if isinstance(held.weights, Unknown) else held.weights.value / GIB,
        "kv_gib": held.kv_gib(found.asked.work),
        "kv_bytes_per_token": cache.growing_bytes_per_token if cache else None,
        "kv_bytes_per_token_at_least": cache.least.growing_bytes_per_token if cache and cache.least else None,
        "kv_fixed_bytes": cache.fixed_bytes() if cache else None,
    }


def _sizes(layout: Layout) -> dict[str, int]:
    return {"tp": layout.tensor, "pp": layout.pipeline, "dp": layout.data, "ep": layout.expert}


def _terms(terms: tuple[Term, ...]) -> dict[str, dict[str, object]]:
    return {term.name: {"gib": term.gib, "sure": term.sure, "basis": term.basis} for term in terms}
