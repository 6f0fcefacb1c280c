"""What the definition of LeaderWorkerSet lets through although the nodes would never become one engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from deployadvisor.catalog.engines import Engine, PlanField
from deployadvisor.figures import Plan
from deployadvisor.render.check_kubernetes import quantity_problems
from deployadvisor.render.kubernetes_names import LEADER, WORKER
from deployadvisor.render.lws import KIND, LEADER_ADDRESS, WORKER_INDEX

Data = dict[str, Any]

_TEMPLATES = {LEADER: "leaderTemplate", WORKER: "workerTemplate"}


def check_lws(files: Mapping[str, Data], engine: Engine, plan: Plan) -> Iterator[tuple[str, str]]:
    """Path and fault of everything wrong with the sets of a folder."""
    sets = {path: data for path, data in files.items() if is_whole_set(data)}
    if len(sets) != 1:
        yield "kustomization.yaml", f"{len(sets)} sets serve the model"
    for path, data in sets.items():
        found = (*group_problems(data, files, engine, plan), *_reference_problems(files))
        yield from ((path, problem) for problem in found)


def group_problems(data: Data, files: Mapping[str, Data], engine: Engine, plan: Plan) -> Iterator[str]:
    """What keeps the nodes of one set from becoming one engine."""
    yield from _set_problems(data, plan)
    yield from _engine_problems(data, engine, plan)
    yield from _neighbour_problems(data, files)


def is_whole_set(data: Data) -> bool:
    """Whether it is the set and not a patch of it."""
    return data.get("kind") == KIND and "size" in data["spec"]["leaderWorkerTemplate"]


def pods_of_sets(files: Mapping[str, Data]) -> dict[str, Data]:
    """The files with the pods of each set as a Deployment a role, for the checks of plain manifests."""
    made: dict[str, Data] = {}
    for path, data in files.items():
        if not is_whole_set(data):
            made[path] = data
            continue
        for role, part in _TEMPLATES.items():
            made[f"{path}#{role}"] = _deployment(data, data["spec"]["leaderWorkerTemplate"], part)
    return made


def _deployment(data: Data, templates: Data, part: str) -> Data:
    template = templates[part]
    claims: list[Data] = [{"name": one["metadata"]["name"]} for one in templates.get("volumeClaimTemplates", ())]
    pod = {**template["spec"], "volumes": [*template["spec"]["volumes"], *claims]}
    labels = template["metadata"]["labels"]
    spec = {
        "selector": {"matchLabels": labels},
        "strategy": {"type": "Recreate"},
        "template": {**template, "spec": pod},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": data["metadata"], "spec": spec}


def _set_problems(data: Data, plan: Plan) -> Iterator[str]:
    spec, templates = data["spec"], data["spec"]["leaderWorkerTemplate"]
    if templates["size"] != plan.nodes:
        yield f"a group has {templates['size']} pods, and the plan {plan.nodes} nodes"
    if templates.get("restartPolicy") != "RecreateGroupOnPodRestart":
        yield "the rest of a group would wait for a pod that has started anew"
    if spec.get("startupPolicy", "LeaderCreated") != "LeaderCreated":
        yield "workers would wait for a leader that waits for them"
    if spec.get("rolloutStrategy", {}).get("rollingUpdateConfiguration", {}).get("maxSurge") != 0:
        yield "an update would need cards for a group more than the plan has"
    for claim in templates.get("volumeClaimTemplates", ()):
        yield from quantity_problems("storage", claim["spec"]["resources"]["requests"].get("storage"))


def _engine_problems(data: Data, engine: Engine, plan: Plan) -> Iterator[str]:
    """Whether the engines of a group are told the same, and each its place."""
    templates = data["spec"]["leaderWorkerTemplate"]
    engines = {role: templates[part]["spec"]["containers"][0] for role, part in _TEMPLATES.items()}
    for role, container in engines.items():
        words = list(container["args"])
        wanted: dict[PlanField, str] = {"nodes": str(templates["size"]), "node_rank": WORKER_INDEX}
        yield from (
            f"{role}: {field} is {told!r}, not {value!r}"
            for field, value in wanted.items()
            if (told := _told(engine, field, words)) != value
        )
        if not (_told(engine, "leader", words) or "").startswith(LEADER_ADDRESS):
            yield f"{role}: is not told where the leader is"
        headless = engine.flags.get("headless")
        if headless and (headless.names[0] in words) is not (role == WORKER):
            yield f"{role}: {'answers' if role == WORKER else 'does not answer'} requests"
        cards = _cards(container)
        if plan.tensor_parallel * plan.pipeline_parallel != cards * templates["size"]:
            yield f"{role}: {cards} cards on each of {templates['size']} nodes are not those of the plan"
    shared = [[word for word in one["args"] if word != "--headless"] for one in engines.values()]
    if shared[0] != shared[1]:
        yield "leader and workers are told different things"


def _told(engine: Engine, field: PlanField, words: list[str]) -> str | None:
    option = engine.flags.get(field)
    return next((value for flag, value in pairwise(words) if option and flag in option.names), None)


def _cards(container: Data) -> int:
    return sum(int(count) for kind, count in container["resources"]["limits"].items() if "/" in kind)


def _neighbour_problems(data: Data, files: Mapping[str, Data]) -> Iterator[str]:
    """What the set's own Service and its policies make of the other files."""
    name, templates = data["metadata"]["name"], data["spec"]["leaderWorkerTemplate"]
    labels = {role: templates[part]["metadata"]["labels"] for role, part in _TEMPLATES.items()}
    services = [one for one in files.values() if one.get("kind") == "Service"]
    if any(one["metadata"]["name"] == name for one in services):
        yield f"its own Service would be {name}, which another one is"
    if any(one["spec"]["selector"].items() <= labels[WORKER].items() for one in services):
        yield "requests would also be sent to workers, which answer none"
    policies = [one["spec"] for one in files.values() if one.get("kind") == "NetworkPolicy"]
    for direction, peer in (("ingress", "from"), ("egress", "to")):
        if not any(_opens(one, direction, peer, labels) for one in policies):
            yield f"its pods may not reach each other ({direction})"


def _reference_problems(files: Mapping[str, Data]) -> Iterator[str]:
    """A ConfigMap that Kustomize does not find in the set keeps a name that nobody has."""
    places = {
        field["path"] for one in files.values() for row in one.get("nameReference", ()) for field in row["fieldSpecs"]
    }
    for part in _TEMPLATES.values():
        if f"spec/leaderWorkerTemplate/{part}/spec/volumes/configMap/name" not in places:
            yield f"ConfigMaps of its {part} would keep their old names"


def _opens(spec: Data, direction: str, peer: str, labels: Mapping[str, Data]) -> bool:
    """Whether a policy covers all pods of a group and lets them all through at any port."""
    rules = [rule for rule in spec.get(direction, ()) if "ports" not in rule]
    peers = [one.get("podSelector", {}).get("matchLabels", {}) for rule in rules for one in rule.get(peer, ())]
    covered = (spec["podSelector"].get("matchLabels", {}), *peers[:1])
    return bool(peers) and all(one.items() <= each.items() for one in covered for each in labels.values())
