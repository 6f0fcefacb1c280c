"""The command line of an engine: what the plan computed, and what only the bundle knows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from deployadvisor.catalog.engines import Engine, PlanField
from deployadvisor.figures import Plan
from deployadvisor.render.layout import Layout
from deployadvisor.render.weights import Weights


def container_arguments(engine: Engine, layout: Layout, weights: Weights, served_name: str, plan: Plan) -> list[str]:
    """The command in a container, on the container's own network."""
    own = _own(engine, layout, weights.in_container, weights, served_name, plan, "0.0.0.0")  # noqa: S104 - its own network
    return [*engine.image_runs, *own, *layout.always, *plan.flags]


def pod_arguments(
    engine: Engine, layout: Layout, weights: Weights, served_name: str, plan: Plan, port: int | None = None
) -> list[str]:
    """The command in a pod, on the loopback address that it shares with the proxy alone."""
    own = _own(engine, layout, weights.in_container, weights, served_name, plan, "127.0.0.1", port)
    return [*engine.image_runs, *own, *layout.always, *plan.flags]


def chart_arguments(engine: Engine, served_name: str, plan: Plan) -> list[str]:
    """The rest of the command where a chart gives the program, the model and the address."""
    names = engine.flags["served_name"].names
    named = () if set(names) & set(plan.flags) else (names[0], served_name)
    return [*named, *plan.flags]


def native_arguments(
    engine: Engine, layout: Layout, weights: Weights, served_name: str, plan: Plan, port: int | None = None
) -> list[str]:
    """The command without a container, on loopback: no flag that opens it to the network."""
    own = _own(engine, layout, weights.name, weights, served_name, plan, "127.0.0.1", port)
    return [*own, *(flag for flag in layout.always if flag != "--listen"), *plan.flags]


def planned_value(engine: Engine, field: PlanField, plan: Plan) -> str | None:
    """The word that the plan's flags give to one field; None where they leave it to the engine."""
    option = engine.flags.get(field)
    names = option.names if option else ()
    return next((value for flag, value in pairwise(plan.flags) if flag in names), None)


def _own(
    engine: Engine,
    layout: Layout,
    place: str,
    weights: Weights,
    served_name: str,
    plan: Plan,
    host: str,
    port: int | None = None,
) -> Iterator[str]:
    """Model, address, port, name and backend, where the engine has an option that the plan has not set."""
    # TextGen is started by a script that takes the one .gguf file there is.
    if layout.fetch != "gguf":
        yield from _model(engine, place, weights)
    values: dict[PlanField, str | int | None] = {
        "served_name": served_name,
        "host": host,
        "port": port or engine.port,
        "backend": plan.backend,
    }
    for field, value in values.items():
        option = engine.flags.get(field)
        if option is not None and value and not set(option.names) & set(plan.flags):
            yield from (option.names[0], str(value))


def _model(engine: Engine, place: str, weights: Weights) -> Iterator[str]:
    option = engine.flags.get("model")
    if weights.origin == "gguf_repo" and engine.id == "llama_cpp":
        yield from ("--hf-repo", weights.reference)
    elif option is not None and not _found_at_start(engine, weights):
        yield from ([place] if option.kind == "positional" else [option.names[0], place])


def _found_at_start(engine: Engine, weights: Weights) -> bool:
    """Whether a script names the one file that it finds in the folder: llama.cpp loads no folder."""
    return engine.id == "llama_cpp" and weights.origin == "folder"
