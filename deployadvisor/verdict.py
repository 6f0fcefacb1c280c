"""The three decisions for one profile on one machine, in order: provider, engine per role, route.

Providers and engines are decided first, because whether any is left is itself a fact that the route depends on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deployadvisor.catalog.gpus import gpus
from deployadvisor.catalog.models import Model, Role, find_model, model_defaults, models
from deployadvisor.catalog.overheads import Method
from deployadvisor.catalog.workload import planning
from deployadvisor.compatibility import Assessment, Demand, assess_role
from deployadvisor.decide.conditions import Facts, tests_in
from deployadvisor.decide.evaluate import Decision, evaluate
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.vocabulary import Vocabulary
from deployadvisor.errors import ModelError, Where
from deployadvisor.facts import Situation, of_profile, provider_attributes
from deployadvisor.hardware.machine import Machine, Unknown
from deployadvisor.profile import Profile
from deployadvisor.reasoning import FactValue
from deployadvisor.rulebook import Rulebook
from deployadvisor.site import Site, site_of
from deployadvisor.sizing import capacity
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.finetune import finetune_memory
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.speed import busy_share

ROLES: tuple[Role, ...] = ("serve", "desktop", "cpu", "lab")
ROLE_FACTS: dict[Role, str] = {
    "serve": "can_serve",
    "desktop": "can_run_desktop",
    "cpu": "can_run_cpu",
    "lab": "can_experiment",
}
_TUNING: tuple[tuple[Method, str], ...] = (
    ("full", "full_model"),
    ("lora", "adapter_only"),
    ("qlora", "adapter_only"),
)
_SERVER_PLATFORMS = ("docker", "kubernetes", "bare_metal", "slurm")


@dataclass(frozen=True, slots=True)
class RoleChoice:
    """The engine decision in one role, with the model it was taken for."""

    role: Role
    model: Model
    assessments: Mapping[str, Assessment]
    decision: Decision

    @property
    def chosen(self) -> Assessment | None:
        """The winner, or the best of those still possible while something is not known."""
        leading = self.decision.leading
        return self.assessments[leading] if leading else None

    def objections(self) -> Iterator[str]:
        """Why no engine of this role is left, one sentence an engine."""
        for standing in self.decision.rejected:
            assessment = self.assessments[standing.candidate.id]
            tests = (test for rule in standing.objections for test in tests_in(rule.when))
            yield from (text for test in tests if (text := assessment.explain(test.fact)))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Facts and decisions, before they are put into words."""

    profile: Profile
    machine: Machine
    site: Site
    situation: Situation
    roles: Mapping[Role, RoleChoice]
    provider: Decision
    route: Decision


@dataclass(frozen=True, slots=True)
class Bench:
    """One machine under one rulebook, on which profiles are tried."""

    rulebook: Rulebook
    machine: Machine

    def serves(self, profile: Profile) -> bool:
        """Whether some engine serves the project here: the one decision that a search for machines needs."""
        situation = of_profile(profile, self.rulebook.vocabulary)
        site = site_of(self.machine, _assumed_os(situation))
        named = named_model(profile.model) if profile.model is not None else None
        wanted = wanted_models(profile, "serve", named)
        return self._role(wanted, "serve", profile, situation, site).decision.status == "decided"

    def verdict(self, profile: Profile, *, strict: bool = False, acquirable: bool = True) -> Verdict:
        """Take the three decisions; ``acquirable`` says whether a machine to rent is known to hold the model."""
        situation = of_profile(profile, self.rulebook.vocabulary, strict=strict)
        if not acquirable:
            situation = situation.with_facts(*_computed("acquirable", "no", "rental catalogue"))
        provider = evaluate(self.rulebook.provider, situation.values(), provider_attributes(profile, situation))
        situation = situation.with_facts(*_hosted_choice(provider))
        site = site_of(self.machine, _assumed_os(situation))
        named = named_model(profile.model) if profile.model is not None else None
        roles = {
            role: self._role(wanted_models(profile, role, named), role, profile, situation, site) for role in ROLES
        }
        situation = situation.with_facts(*_role_facts(roles))
        situation = situation.with_facts(*_tuning_fact(roles["lab"].model, site))
        situation = situation.with_facts(*_busy_fact(roles["serve"], situation))
        if not strict:
            situation = _assume_derived(situation, self.rulebook, but=_unread_facts(site))
        route = _settled(evaluate(self.rulebook.route, situation.values()), self.rulebook.route, situation.values())
        return Verdict(profile, self.machine, site, situation, roles, provider, route)

    def _role(
        self, wanted: Sequence[Model], role: Role, profile: Profile, situation: Situation, site: Site
    ) -> RoleChoice:
        """Try the models in order until an engine is left; otherwise keep the first."""
        if role != "cpu" and site.cards is None:
            wanted = wanted[:1]  # without a card no other model does better
        choices = (self._choose(role, model, profile, situation, site) for model in wanted)
        first = next(choices)
        if first.decision.status == "decided":
            return first
        return next((choice for choice in choices if choice.decision.status == "decided"), first)

    def _choose(self, role: Role, model: Model, profile: Profile, situation: Situation, site: Site) -> RoleChoice:
        demand = demand_of(profile, situation, model, self.rulebook.vocabulary)
        if role == "lab":
            demand = replace(demand, peak_concurrency=1)  # the bench answers one request after another
        assessments = assess_role(role, model, site, demand)
        facts = {**situation.values(), "role": role}
        attributes = {name: assessment.attributes for name, assessment in assessments.items()}
        return RoleChoice(role, model, assessments, evaluate(self.rulebook.engine, facts, attributes))


def _settled(decision: Decision, ruleset: Ruleset, facts: Facts) -> Decision:
    """The decision with exactly the candidates that can still win: three values may call open what is settled."""
    if decision.status != "open":
        return decision
    from deployadvisor.decide.compiled import compiled  # noqa: PLC0415 - most questions are decided

    left = compiled(ruleset).remaining(facts)
    possible = tuple(name for name in decision.standings if name in left)
    if left == {None}:
        return replace(decision, status="blocked", possible=())
    if len(left) == 1:
        return replace(decision, status="decided", winner=possible[0], possible=possible)
    return replace(decision, possible=possible or decision.possible)


def wanted_models(profile: Profile, role: Role, named: Model | None) -> tuple[Model, ...]:
    """The named model, or the defaults for a role and quality class, best first."""
    if named is not None:
        return (named,)
    quality = profile.answered("quality") or planning("quality")
    row = next(row for row in model_defaults() if row.role == role and row.quality == quality)
    return tuple(models()[name] for name in row.models)


def is_folder(name: str) -> bool:
    """Whether a model is named by its place on disk."""
    return name.startswith((".", "/", "~")) or Path(name).expanduser().is_dir()


def named_model(name: str) -> Model:
    """A catalogue model by id or alias, a local folder with ``config.json``, a GGUF file, or a hub id."""
    where = Where("model")
    if name.endswith(".gguf"):
        from deployadvisor.sizing.gguf_model import read_gguf_model  # noqa: PLC0415 - most models are in the catalogue

        return read_gguf_model(Path(name).expanduser())
    if is_folder(name):
        path = Path(name).expanduser()
        if not path.is_dir():
            raise ModelError(f'"{name}" is not a folder', where=where)
        from deployadvisor.sizing.folder import read_folder  # noqa: PLC0415 - most models are in the catalogue

        return read_folder(path)
    try:
        return find_model(name)
    except ModelError as error:
        error.where = where
        error.remedy = "a model outside the catalogue can be given as a local folder with config.json"
        return _hub_model(name, error)


def _hub_model(name: str, unknown: ModelError) -> Model:
    """A model by its hub id; ``unknown`` is raised for a name that is none."""
    from deployadvisor.sizing.hub import hub_id, read_hub_model  # noqa: PLC0415 - most models are in the catalogue

    wanted = hub_id(name)
    if wanted is None:
        raise unknown
    try:
        return read_hub_model(wanted)
    except ModelError as error:
        if error.where is None:
            error.where, error.allowed, error.suggestion = unknown.where, unknown.allowed, unknown.suggestion
        raise


def demand_of(profile: Profile, situation: Situation, model: Model, vocabulary: Vocabulary) -> Demand:
    """What the engine must carry; a number that is open is planned with the value the vocabulary states."""

    def planned(name: str) -> float:
        answered = situation.number(name)
        return float(vocabulary.facts[name].assume or 1) if answered is None else answered

    prompt, answer = planned("input_tokens"), planned("output_tokens")
    limit = model.max_position_embeddings
    context = profile.answered("context_tokens") or capacity.context_tokens(prompt, answer, limit)
    return Demand(context, prompt + answer, int(planned("peak_concurrency")))


def _assumed_os(situation: Situation) -> str | None:
    platform = situation.known.get("platform")
    return "linux" if platform and platform.value in _SERVER_PLATFORMS else None


Found = tuple[dict[str, FactValue], dict[str, str]]


def _computed(name: str, value: str | float, source: str) -> Found:
    return {name: FactValue(value=value, basis="computed", source=source)}, {}


def _hosted_choice(provider: Decision) -> Found:
    left = [standing for standing in provider.standings.values() if not standing.objections]
    if any(standing.doubts for standing in left):
        return {}, {"hosted_choice": "depends on answers that are open"}
    value = ("none", "one", "several")[min(len(left), 2)]
    return _computed("hosted_choice", value, f"{len(left)} of {len(provider.standings)} providers in the catalogue")


def _role_facts(roles: Mapping[Role, RoleChoice]) -> Found:
    known: dict[str, FactValue] = {}
    unknown: dict[str, str] = {}
    for role, choice in roles.items():
        name = ROLE_FACTS[role]
        if choice.decision.status == "open":
            unknown[name] = _open_reason(choice)
        else:
            text = _role_source(choice)
            value = "no" if choice.decision.status == "blocked" else "yes"
            known[name] = FactValue(value=value, basis="computed", source=text)
    return known, unknown


def _role_source(choice: RoleChoice) -> str:
    chosen = choice.chosen
    if chosen is None:
        return "; ".join(choice.objections()) or "no engine plays this role"
    return f"{chosen.engine.name} {chosen.engine.version} with {choice.model.id}: {chosen.details.get('its_fit', '')}"


def _open_reason(choice: RoleChoice) -> str:
    """What keeps the role open: once where all engines say the same, else engine by engine."""
    left = [choice.assessments[name] for name in choice.decision.possible]
    said = {each.details["its_fit"] for each in left if "its_fit" in each.details}
    texts = said if len(said) == 1 else [text for each in left if (text := each.explain("its_fit"))]
    return "; ".join(texts) or "depends on answers that are open"


def _tuning_fact(model: Model, site: Site) -> Found:
    """The most that the cards hold: full tuning, else an adapter by LoRA or QLoRA."""
    if site.cards is None:
        return _computed("can_tune", "nothing", "no accelerator here")
    if model.files == "gguf":
        return _computed("can_tune", "nothing", "a GGUF file is not tuned; name the model it was made from")
    geometry = geometry_of(model)
    source = ""
    for method, value in _TUNING:
        needed = finetune_memory(geometry, method)
        if isinstance(needed, Unknown):
            return {}, {"can_tune": needed.unknown}
        fits = needed.fits(site.cards)
        if isinstance(fits, Unknown):
            return {}, {"can_tune": f"memory of {site.cards.name}: {fits.unknown}"}
        source = f"{method} needs {needed.gib:.0f} GiB in all: {needed.basis}"
        if fits.value:
            return _computed("can_tune", value, source)
    return _computed("can_tune", "nothing", source)


def tuning_cards(model: Model, site: Site) -> Cards | None:
    """The cards that hold the first kind of tuning that any of them hold."""
    geometry = geometry_of(model)
    jobs = (finetune_memory(geometry, method) for method, _ in _TUNING)
    cards = site.cards
    held = (job.held_by(cards) for job in jobs if cards and not isinstance(job, Unknown))
    return next((group for group in held if group), cards)


def _busy_fact(serve: RoleChoice, situation: Situation) -> Found:
    chosen, name = serve.chosen, "gpu_busy_share"
    requests, answer = situation.number("requests_per_day"), situation.number("output_tokens")
    if chosen is None or chosen.fit is None or chosen.cards is None:
        return {}, {name: "no engine runs here"}
    if requests is None or answer is None:
        return {}, {name: "follows from requests and answer length"}
    gpu = gpus().get(chosen.cards.id or "")
    bandwidth = gpu.memory_bandwidth_gb_s * chosen.fit.cards if gpu and gpu.memory_bandwidth_gb_s else None
    weights_bytes = round(chosen.fit.weights_gib * 2**30)
    share = busy_share(geometry_of(serve.model), weights_bytes, bandwidth, requests, answer)
    if isinstance(share, Unknown):
        return {}, {name: share.unknown}
    return _computed(name, share.value, share.source)


def _unread_facts(site: Site) -> frozenset[str]:
    """What depends on cards that are there and that nobody could read: to assume that they hold nothing is wrong."""
    cards = site.cards
    unread = cards is not None and (isinstance(cards.total_gib, Unknown) or isinstance(cards.free_gib, Unknown))
    return frozenset({*(ROLE_FACTS[role] for role in ROLES if role != "cpu"), "can_tune"}) if unread else frozenset()


def _assume_derived(situation: Situation, rulebook: Rulebook, *, but: frozenset[str]) -> Situation:
    """What could not be computed takes the vocabulary's assumption; the answer lists it with the reason."""
    known, unknown = dict(situation.known), dict(situation.unknown)
    for fact in rulebook.vocabulary.facts.values():
        answerable = any(name in unknown for name in ("requests_per_day", "input_tokens", "output_tokens"))
        if fact.name in but:
            continue
        if fact.derived and fact.assume is not None and fact.name not in known and not answerable:
            reason = unknown.pop(fact.name, "not computed")
            known[fact.name] = FactValue(value=fact.assume, basis="assumed", source=reason)
    return Situation(known, unknown)
