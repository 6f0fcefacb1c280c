"""Answers to render: one for every engine and provider, with every part filled in."""

from __future__ import annotations

from typing import Any

from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.gpus import gpus
from deployadvisor.figures import Cost, Estimate, MemoryEstimate, MemoryTerm, Plan, Price, Range, RentalOffer
from deployadvisor.hardware.machine import Accelerator, Host, Known, Machine, Unknown
from deployadvisor.reasoning import Assumption, Change, Objection, OpenFact, Reason, Rejected, RunnerUp
from deployadvisor.recommendation import Duty, Recommendation, RulesetRef, Stage

MODEL = "Qwen/Qwen3-8B"
FLAGS: dict[str, tuple[str, ...]] = {
    "vllm": ("--tensor-parallel-size", "2", "--max-model-len", "8192", "--max-num-seqs", "64"),
    "lmdeploy": ("--backend", "turbomind", "--tp", "2", "--session-len", "8192"),
    "sglang": ("--tensor-parallel-size", "2", "--context-length", "8192", "--enable-metrics"),
    "ollama": (),
    "llama_cpp": ("--ctx-size", "16384", "--parallel", "2", "--metrics", "--gpu-layers", "all"),
    "textgen": ("--ctx-size", "8192", "--gpu-layers", "-1"),
    "transformers": ("--continuous-batching",),
}
ROUTES = {"ollama": "local_runner", "textgen": "local_runner", "llama_cpp": "cpu_small", "transformers": "lab"}
GGUF_ENGINES = ("ollama", "llama_cpp", "textgen")
ENGINES = tuple(FLAGS)
ON_HOST = ("vllm", "lmdeploy", "sglang", "transformers", "llama_cpp")
"""Engines that are installed without a container."""


def served(
    engine: str = "vllm",
    *,
    cards: int = 2,
    gpu: str = "h100-sxm",
    machine_cards: int | None = None,
    used: tuple[int, ...] | None = None,
    **changes: Any,
) -> Recommendation:
    """A decided answer that serves with ``engine`` on the cards ``used``; ``changes`` are fields of the plan."""
    if engine in GGUF_ENGINES:
        cards = min(cards, 1)
    fields = {
        "cards": tuple(range(cards)) if used is None else used,
        "model": MODEL,
        "hardware": f"{cards}x {gpu}",
        "gpus": cards,
        "gpu": gpu if cards else None,
        "tensor_parallel": max(cards, 1),
        "precision": "q4_k_m" if engine in GGUF_ENGINES else "bf16",
        "max_model_len": 8192,
        "max_concurrency": 16,
        "flags": FLAGS[engine],
        "environment": {"OLLAMA_NUM_PARALLEL": "2"} if engine == "ollama" else {},
        **changes,
    }
    return answer(
        route=ROUTES.get(engine, "private_engine"),
        engine=engine,
        title=f"Serve with {engines()[engine].name}",
        stages=(Stage(stage="serve", engine=engine),),
        plan=Plan.model_validate(fields),
        machine=machine(gpu, machine_cards or cards),
    )


def hosted(provider: str = "openai", fallback: str | None = None, **changes: Any) -> Recommendation:
    """A decided answer that uses a hosted provider."""
    plan = Plan.model_validate({"hardware": "none", "fallback_provider": fallback, **changes})
    return answer(
        route="hosted_api",
        provider=provider,
        title="Use a hosted API",
        stages=(Stage(stage="serve", provider=provider),),
        plan=plan,
        machine=machine("h100-sxm", 0),
    )


def tuned(engine: str = "vllm", **changes: Any) -> Recommendation:
    """A decided answer that trains an adapter first."""
    advice = served(engine, **changes)
    return advice.model_copy(
        update={
            "route": "tune_then_serve",
            "stages": (Stage(stage="tune", engine="transformers"), *advice.stages),
            "profile": {"customization": "adapter"},
        }
    )


def on_system(os: str | None, advice: Recommendation) -> Recommendation:
    """The same answer for a machine whose operating system is another, or is not known."""
    system = {"unknown": "nobody said"} if os is None else {"value": os, "source": "test"}
    host = Host.model_validate({**advice.machine.host.model_dump(), "os": system})
    return advice.model_copy(update={"machine": advice.machine.model_copy(update={"host": host})})


def answer(**fields: Any) -> Recommendation:
    """An answer in which every list has something in it."""
    return Recommendation.model_validate({**_COMMON, **fields})


def machine(gpu: str, cards: int, os: str = "linux") -> Machine:
    """A machine with ``cards`` equal cards."""
    unknown = Unknown(unknown="not read in this test")
    host = Host(
        os=Known(value=os, source="test"),
        arch=Known(value="x86_64", source="test"),
        cpu_model=unknown,
        cores=unknown,
        memory_total_gib=unknown,
        memory_available_gib=unknown,
        container=unknown,
        disk_free_gib=unknown,
    )
    entry = gpus()[gpu]
    accelerators = tuple(
        Accelerator(
            index=index,
            vendor=entry.vendor,
            name=entry.name,
            id=gpu,
            memory_total_gib=Known(value=79.6, source="test"),
            memory_free_gib=unknown,
            compute_capability=unknown,
            driver_version=unknown,
            runtime_version=unknown,
        )
        for index in range(cards)
    )
    return Machine(description=f"{cards}x {gpu}", accelerators=accelerators, host=host)


_COMMON: dict[str, Any] = {
    "deployadvisor_version": "0.1.0",
    "name": "Support bot",
    "status": "decided",
    "title": "Serve privately",
    "plan": Plan(hardware="none"),
    "estimate": Estimate(
        memory=MemoryEstimate(
            fits=True,
            text="fits",
            cards=2,
            available_gib=72.8,
            terms=(MemoryTerm(name="weights", gib=7.6, basis="8.2 billion parameters as bf16"),),
            weights_gib=15.3,
            kv_gib=18.0,
            max_concurrency=48,
            kv_bytes_per_token=147456,
            kv_fixed_bytes=0,
        ),
        ttft_ms=Range(value=200, low=100, high=400, basis="a formula"),
        notes=("a note on the estimate",),
    ),
    "cost": Cost(rented=Price(per_month=1240.5, basis="730 hours", source="a list", as_of="2026-11-22")),
    "reasons": (
        Reason(rule="keeps-text", text="Text stays on systems you control.", where="rules/route.yaml:41:5"),
        Reason(rule="batches", text="It batches.", where="rules/engine.yaml:1:5", source="a benchmark"),
    ),
    "rejected": (
        Rejected(
            route="hosted_api",
            objections=(Objection(rule="r", because="Text must not leave.", where="rules/route.yaml:7:5"),),
        ),
        Rejected(
            engine="ollama",
            objections=(Objection(rule="r", missing="fewer users", where="rules/engine.yaml:9:5"),),
        ),
    ),
    "runners_up": (RunnerUp(engine="lmdeploy", lost_at="points", text="one point less"),),
    "changes": (Change(to="local_runner", change={"peak_concurrency": 1}, text="fewer in flight → Run locally"),),
    "assumed": (
        Assumption(fact="output_tokens", value=256, text="How long?", would_change={"4096": "hosted_api"}),
        Assumption(fact="internet", value=True, text="Internet?"),
    ),
    "unknown": (OpenFact(fact="driver", reason="not probed"),),
    "warnings": ("a warning",),
    "obligations": (
        Duty(
            id="gdpr-28",
            regulation="GDPR",
            text="A processor needs a contract.",
            effect="warn",
            condition="a processor is used",
            citation="Art. 28",
            source="eur-lex.europa.eu",
            checked_on="2026-11-22",
        ),
    ),
    "ruleset": RulesetRef(version="1.0.0", digest="0" * 64),
    "machine": None,
}

OFFER = RentalOffer(
    provider="a cloud",
    instance="gpu.large",
    gpu="h100-sxm",
    gpus=2,
    usd_per_hour=4.5,
    as_of="2026-11-22",
    source="a price list",
)
