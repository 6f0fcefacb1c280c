"""Which targets can run a plan, and which are taken when nobody asks for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deployadvisor.catalog.drivers import capability
from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.gpus import gpus
from deployadvisor.errors import RenderError, nearest
from deployadvisor.figures import Plan
from deployadvisor.hardware.machine import value_of
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.arguments import planned_value
from deployadvisor.render.layout import image_refusal, layout_of
from deployadvisor.render.manifest import PROXIES, Manifest, Needs, Proxy, manifests
from deployadvisor.render.weights import is_local, weights_for
from deployadvisor.site import planned_group

_TRAINING = ("adapter", "full_tuning")


def serving_engine(advice: Recommendation) -> str | None:
    """The engine that answers requests: the one of the serve stage, else the engine of the answer."""
    served = (stage.engine for stage in advice.stages if stage.stage == "serve" and stage.engine)
    return next(served, advice.engine)


def has_tuning(advice: Recommendation) -> bool:
    """Whether there are weights to train before, or instead of, serving."""
    return any(stage.stage == "tune" for stage in advice.stages) or advice.profile.get("customization") in _TRAINING


def card_vendor(advice: Recommendation) -> str:
    """Maker of the cards that the plan uses, ``none`` when it uses none."""
    if not advice.plan.gpus:
        return "none"
    if advice.plan.gpu and advice.plan.gpu in gpus():
        return gpus()[advice.plan.gpu].vendor
    group = planned_group(advice.machine)
    return group.vendor if group else "nvidia"


def may_run_windows(advice: Recommendation) -> bool:
    """Whether the machine runs Windows, or nobody knows what it runs."""
    return value_of(advice.machine.host.os) in (None, "windows")


def available_targets(advice: Recommendation) -> tuple[str, ...]:
    """Targets that can run this plan, preferred first; empty when there is no plan to run."""
    if advice.status != "decided":
        return ()
    return tuple(one.id for one in _by_preference(advice) if refusal(one.needs, advice) is None)


def default_targets(advice: Recommendation) -> tuple[str, ...]:
    """The targets to render when none is named: one that serves, and tuning where the plan has it."""
    names = available_targets(advice)
    chosen: dict[str, str] = {}
    for name in names:
        if not manifests()[name].preferred.only_there or _is_asked_for(manifests()[name], advice):
            chosen.setdefault(manifests()[name].role, name)
    return tuple(name for name in names if name in chosen.values())


def select(advice: Recommendation, names: Sequence[str] | None) -> tuple[Manifest, ...]:
    """The manifests to render; raises RenderError for blocked answers and for targets that cannot be."""
    _refuse_undecided(advice)
    if names is not None and not names:
        raise RenderError("no target was named", allowed=available_targets(advice))
    chosen = tuple(
        _named(name, advice) for name in dict.fromkeys(names if names is not None else default_targets(advice))
    )
    if not chosen:
        named = available_targets(advice)
        raise RenderError(
            f"no target can run this plan: {_all_refusals(advice)}",
            allowed=named,
            remedy=f"where its name is given: {', '.join(named)}" if named else None,
        )
    _refuse_collisions(chosen)
    return tuple(sorted(chosen, key=lambda one: one.role == "serve"))


def chosen_proxy(chosen: Sequence[Manifest], name: str | None) -> Proxy:
    """The proxy called ``name``, or the usual one; raises RenderError where the target that serves has none such."""
    found: Proxy | None = next((one for one in PROXIES if one == name), None)
    if name is not None and found is None:
        raise RenderError(f'unknown proxy "{name}"', allowed=PROXIES, suggestion=nearest(name, PROXIES))
    serving = next((one for one in chosen if one.role == "serve"), None)
    usable = serving.proxies if serving else PROXIES
    if found is not None and found not in usable:
        where = f'target "{serving.id}"' if serving else "this folder"
        raise RenderError(f"{where} does not come with {found}", remedy=_usable_proxies(usable))
    return found or (usable[0] if usable else PROXIES[0])


def _usable_proxies(usable: Sequence[str]) -> str:
    return f"usable here: {', '.join(usable)}" if usable else "leave --proxy out"


def refusal(needs: Needs, advice: Recommendation) -> str | None:
    """Why a target with these needs cannot run the plan, or None when it can."""
    return next(_refusals(needs, advice), None)


def _refusals(needs: Needs, advice: Recommendation) -> Iterator[str]:
    engine, vendor = serving_engine(advice), card_vendor(advice)
    if needs.tuning and not has_tuning(advice):
        yield "nothing is to be trained"
    if needs.serves_with == "engine" and engine is None:
        yield "the plan uses a hosted provider, not an engine of its own"
    if needs.serves_with == "provider" and advice.provider is None:
        yield "the plan serves with an engine of its own, not a hosted provider"
    if needs.engines and engine not in needs.engines:
        yield f"it is for {', '.join(needs.engines)}, and the plan uses {engine}"
    if needs.vendors and vendor not in needs.vendors:
        yield f"it cannot hand {vendor} cards to the engine"
    yield from _not_asked_for(needs, advice)
    yield from _other_nodes(needs, engine, advice.plan)
    if needs.serves_with == "engine" and engine is not None:
        yield from _engine_refusals(needs, engine, vendor, advice)


def _engine_refusals(needs: Needs, engine: str, vendor: str, advice: Recommendation) -> Iterator[str]:
    """What keeps this engine from being set up, or from its weights."""
    yield from _other_weights(needs, engine, advice)
    lacking = image_refusal(engines()[engine], vendor) if needs.containers else None
    if lacking:
        yield lacking
    if needs.on_host:
        yield from _host_refusals(engine, vendor, advice)
    try:
        weights_for(engines()[engine], advice.plan.model, advice.plan.precision)
    except RenderError as error:
        yield f"{error.message}; {error.remedy}" if error.remedy else error.message


def _other_nodes(needs: Needs, engine: str | None, plan: Plan) -> Iterator[str]:
    if needs.max_nodes is not None and plan.nodes > needs.max_nodes and engine not in needs.spans_with:
        whom = f"{engine} " if needs.spans_with else ""
        yield f"it runs {whom}on one machine, and the plan spans {plan.nodes}"
    if plan.nodes < needs.min_nodes:
        yield f"it is for plans over {needs.min_nodes} machines or more, and the plan takes {plan.nodes}"
    if needs.one_copy and plan.nodes > 1 and plan.replicas > 1:
        yield f"it runs one copy over several machines, and the plan has {plan.replicas}"


def _not_asked_for(needs: Needs, advice: Recommendation) -> Iterator[str]:
    """What a scheduler cannot be asked for."""
    if needs.known_size and advice.estimate.memory is None:
        yield "the size of the weights is not known, and the memory of the job is computed from it"
    if needs.whole_cards and uses_slice(advice):
        yield "it cannot ask for a slice of a card"


def _host_refusals(engine: str, vendor: str, advice: Recommendation) -> Iterator[str]:
    name, host = engines()[engine].name, layout_of(engine).on_host
    if host is None:
        return
    if vendor not in host.vendors:
        cards = "a machine without cards" if vendor == "none" else f"{vendor} cards"
        yield f"no installation of {name} outside a container is known for {cards}"
    card = gpus().get(advice.plan.gpu or "")
    has, floor = card.compute_capability if card else None, host.compute_capability_min
    if has and floor and capability(has) < capability(floor):
        yield f"{name} from pip brings a PyTorch for compute capability {floor} and newer, and the cards have {has}"


def _other_weights(needs: Needs, engine: str, advice: Recommendation) -> Iterator[str]:
    if needs.fetched_weights:
        yield from _not_fetched(needs, advice)
    if needs.no_adapters and _serves_adapters(engine, advice):
        yield "it cannot serve adapters beside the base model"
    if needs.published_weights and planned_value(engines()[engine], "quantization", advice.plan):
        yield f"it brings {engines()[engine].name} in another version, which quantises otherwise while loading"


def _not_fetched(needs: Needs, advice: Recommendation) -> Iterator[str]:
    if advice.plan.model and is_local(advice.plan.model) and not needs.loads_weights:
        yield f"the weights lie on this machine ({advice.plan.model}), and a pod fetches its own"
    if advice.profile.get("internet") == "no" and not needs.loads_weights:
        yield "pods fetch their weights from the internet, which the plan does without"
    if advice.estimate.memory is None:
        yield "the size of the weights is not known, and a volume must be sized for them"


def _serves_adapters(engine: str, advice: Recommendation) -> bool:
    option = engines()[engine].flags.get("lora_enable")
    return option is not None and bool(set(option.flags) & set(advice.plan.flags))


def uses_slice(advice: Recommendation) -> bool:
    """Whether the plan runs on a slice of a card, which only its UUID names."""
    plan, group = advice.plan, planned_group(advice.machine)
    return bool(plan.cards) and not plan.rent and group is not None and group.slices


def _by_preference(advice: Recommendation) -> list[Manifest]:
    def rank(one: Manifest) -> tuple[bool, bool, bool]:
        return (not _is_asked_for(one, advice), not _is_closed_cluster(one, advice), not _is_at_home(one, advice))

    return sorted(manifests().values(), key=rank)


def _is_asked_for(manifest: Manifest, advice: Recommendation) -> bool:
    """Whether the profile names the platform: that outweighs the machine on which the question was asked."""
    asked_for_offline = manifest.preferred.offline and advice.profile.get("internet") == "no"
    return asked_for_offline or advice.profile.get("platform") in manifest.preferred.platforms


def _is_closed_cluster(manifest: Manifest, advice: Recommendation) -> bool:
    """Whether it is the cluster of a profile without internet, which outweighs a single machine without it."""
    named = advice.profile.get("platform") in manifest.preferred.platforms
    return manifest.needs.loads_weights and named and advice.profile.get("internet") == "no"


def _is_at_home(manifest: Manifest, advice: Recommendation) -> bool:
    preferred = manifest.preferred
    return str(value_of(advice.machine.host.os)) in preferred.os or card_vendor(advice) in preferred.vendors


def _refuse_undecided(advice: Recommendation) -> None:
    if advice.status == "blocked":
        lacking = "; ".join(advice.missing) or "see the objections of every route"
        raise RenderError(f"nothing to render, the answer is blocked; missing: {lacking}")
    if advice.status == "open":
        question = f"; next question: {advice.next_question.text}" if advice.next_question else ""
        possible = ", ".join(advice.possible) or "several routes"
        raise RenderError(f"nothing to render yet, the answer is open between {possible}{question}")


def _named(name: str, advice: Recommendation) -> Manifest:
    if name not in manifests():
        raise RenderError(
            f'unknown target "{name}"', allowed=tuple(manifests()), suggestion=nearest(name, manifests())
        )
    reason = refusal(manifests()[name].needs, advice)
    if reason:
        usable = available_targets(advice)
        raise RenderError(
            f'target "{name}" cannot be used: {reason}',
            allowed=usable,
            remedy=f"usable here: {', '.join(usable)}" if usable else None,
        )
    return manifests()[name]


def _all_refusals(advice: Recommendation) -> str:
    reasons = ((name, refusal(one.needs, advice)) for name, one in manifests().items())
    return "; ".join(f"{name}: {reason}" for name, reason in reasons if reason)


def _refuse_collisions(chosen: Sequence[Manifest]) -> None:
    serving = [one.id for one in chosen if one.role == "serve"]
    if len(serving) > 1:
        raise RenderError(
            f"targets {' and '.join(serving)} both serve and would write the same files",
            remedy="render them into separate folders",
        )
