"""``deployadvisor estimate``: memory of one model on one machine, term by term."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import click

from deployadvisor.catalog.engines import Engine, find_engine
from deployadvisor.catalog.precisions import find_precision
from deployadvisor.compatibility import site_of
from deployadvisor.errors import HardwareError, Where
from deployadvisor.hardware.machine import Machine, Unknown
from deployadvisor.hardware.probe import probe
from deployadvisor.hardware.spec import resolve_hardware
from deployadvisor.sizing.choice import PrecisionChoice, best_precision
from deployadvisor.sizing.geometry import Geometry, geometry_of
from deployadvisor.sizing.memory import Fit, Load, fit
from deployadvisor.sizing.parallel import Cards
from deployadvisor.sizing.policy import engine_policy
from deployadvisor.surfaces import options
from deployadvisor.verdict import named_model


@click.command("estimate", epilog='Example: deployadvisor estimate --model Qwen/Qwen3-8B --hardware "1x RTX 4090"')
@click.option(
    "--model",
    "model_name",
    required=True,
    help="Catalogue model, alias, folder with config.json, or GGUF file.",
)
@click.option("--hardware", default="probe", show_default=True, help="Machine, as for recommend.")
@click.option("--engine", "engine_name", default="vllm", show_default=True, help="Engine whose memory policy counts.")
@click.option("--precision", help="bf16, fp8, int4, q4_k_m …; the least harmful that fits when left out.")
@click.option("--kv-dtype", default="auto", show_default=True, help="Number format of the KV cache.")
@click.option("--tensor-parallel", type=click.IntRange(1, 1024), help="Cards that share each layer.")
@click.option("--input-tokens", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--output-tokens", type=click.IntRange(1), default=256, show_default=True)
@click.option("--concurrency", type=click.IntRange(1), default=1, show_default=True, help="Sequences at once.")
@options.json_option
def command(
    model_name: str,
    hardware: str,
    engine_name: str,
    precision: str | None,
    kv_dtype: str,
    tensor_parallel: int | None,
    input_tokens: int,
    output_tokens: int,
    concurrency: int,
    as_json: bool,
) -> int:
    """Estimate the memory a model needs; speed is not estimated yet."""
    engine = find_engine(engine_name)
    geometry = geometry_of(named_model(model_name))
    cards = _cards(resolve_hardware(hardware, probe), engine)
    load = Load(precision or "", input_tokens + output_tokens, concurrency, kv_dtype)
    choice = _choose(geometry, engine, cards, load, precision, tensor_parallel)
    if as_json:
        options.print_json(_as_dict(choice, geometry, engine, cards))
    else:
        for line in _lines(choice, geometry, engine, cards):
            click.echo(line)
    return 0


def _cards(machine: Machine, engine: Engine) -> Cards:
    site = site_of(machine)
    if site.cards is not None:
        return site.cards
    if engine.gates.cpu:
        return site.host
    raise HardwareError(f"{engine.name} needs an accelerator, and there is none", where=Where("--hardware"))


def _choose(
    geometry: Geometry, engine: Engine, cards: Cards, load: Load, precision: str | None, tensor_parallel: int | None
) -> PrecisionChoice | Unknown:
    if precision is None:
        return best_precision(geometry, engine, cards, load, tensor_parallel=tensor_parallel)
    load = dataclasses.replace(load, precision=find_precision(precision).id)
    placed = fit(geometry, engine_policy(engine), cards, load, tensor_parallel=tensor_parallel)
    return placed if isinstance(placed, Unknown) else PrecisionChoice(load.precision, placed)


def _as_dict(
    choice: PrecisionChoice | Unknown, geometry: Geometry, engine: Engine, cards: Cards
) -> dict[str, object]:
    head = {"model": geometry.name, "engine": engine.id, "hardware": cards.id or cards.name, "gpus": cards.count}
    if isinstance(choice, Unknown):
        return {**head, "fits": None, "reason": choice.unknown}
    result = choice.fit
    if result is None:
        return {**head, "fits": False, "reason": _reasons(choice)}
    return {
        **head,
        "fits": result.fits,
        "reason": result.reason,
        "hint": choice.hint,
        "precision": result.load.precision,
        "obtained": choice.obtained,
        "kv_dtype": result.load.kv_dtype,
        "cards": result.cards,
        "tp": result.tensor_parallel,
        "total_params": geometry.total_params,
        "active_params": geometry.active_params,
        "weights_gib": result.weights_gib,
        "kv_gib": result.kv_gib,
        "kv_bytes_per_token": result.kv_bytes_per_token,
        "kv_fixed_bytes": result.kv_fixed_bytes,
        "max_concurrency": result.max_concurrency,
        "available_gib_per_card": result.available_gib,
        "terms_gib_per_card": {term.name: term.gib for term in result.terms},
        "basis": {term.name: term.basis for term in result.terms},
    }


_OBTAINED = {"own": "", "online": " (quantised while loading)", "gguf": " (a GGUF file)"}


def _lines(choice: PrecisionChoice | Unknown, geometry: Geometry, engine: Engine, cards: Cards) -> Iterator[str]:
    if isinstance(choice, Unknown):
        yield f"{geometry.name} on {cards.count}x {cards.name} with {engine.name}: not known: {choice.unknown}"
        return
    result = choice.fit
    if result is None:
        yield f"{geometry.name} on {cards.count}x {cards.name} with {engine.name}: does not load: {_reasons(choice)}"
        return
    verdict = "fits" if result.fits else "does not fit"
    form = f"{choice.precision}{_OBTAINED[choice.obtained]}"
    yield f"{geometry.name} in {form} on {result.cards}x {cards.name} with {engine.name} {engine.version}: {verdict}"
    yield f"  {result.reason}"
    if choice.hint:
        yield f"  {choice.hint}"
    if result.terms:
        yield from _ledger(result)


def _reasons(choice: PrecisionChoice) -> str:
    return "; ".join(reason for _, reason in choice.passed_over)


def _ledger(result: Fit) -> Iterator[str]:
    for term in result.terms:
        yield f"  {term.name:<14}{term.gib:>9.2f} GiB   {term.basis}"
    yield f"  {'sum':<14}{result.used_gib:>9.2f} GiB   of {result.available_gib:.2f} GiB a card"
    each = f"{result.kv_bytes_per_token:,} bytes a token, {result.kv_fixed_bytes:,} bytes a sequence"
    room = f"{result.max_concurrency:,} sequences of {result.load.context_tokens:,} tokens fit"
    yield f"  {'KV cache':<14}{each}; {room}"
