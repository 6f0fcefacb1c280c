"""What the definition of RayService lets through although Ray would not serve the plan, or would serve anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deployadvisor import documents
from deployadvisor.figures import Plan
from deployadvisor.render.check_kubernetes import quantity_problems
from deployadvisor.render.kuberay import DASHBOARD_PORT, KIND, OPERATOR
from deployadvisor.render.kubernetes_names import LEADER, WORKER

Data = dict[str, Any]

_LOOPBACK = "127.0.0.1"


def check_kuberay(files: Mapping[str, Data], plan: Plan) -> Iterator[tuple[str, str]]:
    """Path and fault of everything wrong with the services of Ray in a folder."""
    found = {path: data for path, data in files.items() if data.get("kind") == KIND}
    if len(found) != 1:
        yield "kustomization.yaml", f"{len(found)} services of Ray serve the model"
    for path, data in found.items():
        problems = (*_cluster_problems(data, plan), *_serve_problems(data, plan), *_neighbour_problems(data, files))
        yield from ((path, problem) for problem in problems)


def pods_of_ray(files: Mapping[str, Data]) -> dict[str, Data]:
    """The files with the pods of each service of Ray as a Deployment a role, for the checks of plain manifests."""
    made: dict[str, Data] = {}
    for path, data in files.items():
        if data.get("kind") != KIND:
            made[path] = data
            continue
        for role, template in _templates(data):
            made[f"{path}#{role}"] = _deployment(data, template)
    return made


def _templates(data: Data) -> Iterator[tuple[str, Data]]:
    cluster = data["spec"]["rayClusterConfig"]
    yield LEADER, cluster["headGroupSpec"]["template"]
    for workers in cluster["workerGroupSpecs"]:
        yield WORKER, workers["template"]


def _deployment(data: Data, template: Data) -> Data:
    spec = {
        "selector": {"matchLabels": template["metadata"]["labels"]},
        "strategy": {"type": "Recreate"},
        "template": template,
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": data["metadata"], "spec": spec}


def _cluster_problems(data: Data, plan: Plan) -> Iterator[str]:
    spec, cluster = data["spec"], data["spec"]["rayClusterConfig"]
    if spec.get("upgradeStrategy", {}).get("type") != "None":
        yield "an update would need cards for a second cluster"
    if cluster.get("authOptions", {}).get("mode") != "token":
        yield "Ray would run whatever anybody sends to its ports"
    images = {one["image"] for _, template in _templates(data) for one in template["spec"]["containers"]}
    if not any(f":{cluster.get('rayVersion')}-" in image for image in images):
        yield f"rayVersion {cluster.get('rayVersion')} is not that of the image"
    (workers,) = cluster["workerGroupSpecs"]
    if not workers["replicas"] == workers["minReplicas"] == workers["maxReplicas"] == plan.nodes * plan.replicas:
        yield f"{workers['replicas']} workers are not the {plan.nodes} nodes of each of {plan.replicas} replicas"
    cards = sum(_cards(one) for one in workers["template"]["spec"]["containers"])
    if cards * plan.nodes != plan.tensor_parallel * plan.pipeline_parallel:
        yield f"{cards} cards on each of {plan.nodes} nodes are not those of the plan"
    for volume in workers["template"]["spec"]["volumes"]:
        claim = volume.get("ephemeral", {}).get("volumeClaimTemplate", {}).get("spec")
        if claim:
            yield from quantity_problems("storage", claim["resources"]["requests"].get("storage"))


def _cards(container: Data) -> int:
    return sum(int(count) for kind, count in container["resources"]["limits"].items() if "/" in kind)


def _serve_problems(data: Data, plan: Plan) -> Iterator[str]:
    """The text that KubeRay hands to Ray without looking at it."""
    config = documents.parse(data["spec"]["serveConfigV2"], "serveConfigV2").value
    if config.get("http_options", {}).get("host") != _LOOPBACK:
        yield "Ray Serve, which knows no key, listens outside of its pod"
    if data["spec"].get("excludeHeadPodFromServeSvc") is not True:
        yield "KubeRay would ask the head's HTTP port from outside, where nobody hears it"
    for application in config["applications"]:
        for model in application["args"]["llm_configs"]:
            told, wanted = model["engine_kwargs"], (plan.tensor_parallel, plan.pipeline_parallel)
            sizes = (told.get("tensor_parallel_size", 1), told.get("pipeline_parallel_size", 1))
            if sizes != wanted:
                yield f"the engine is divided {sizes[0]} by {sizes[1]}, and the plan {wanted[0]} by {wanted[1]}"
            if model["deployment_config"].get("num_replicas") != plan.replicas:
                yield "Ray would add replicas for which there are no cards"


def _neighbour_problems(data: Data, files: Mapping[str, Data]) -> Iterator[str]:
    labels = {role: template["metadata"]["labels"] for role, template in _templates(data)}
    services = [one["spec"] for one in files.values() if one.get("kind") == "Service"]
    if any(one["selector"].items() <= labels[WORKER].items() for one in services):
        yield "requests would also be sent to workers, which have no proxy"
    rules = [rule for one in files.values() if one.get("kind") == "NetworkPolicy" for rule in _ingress(one)]
    peers = [peer.get("podSelector", {}).get("matchLabels") for rule in rules for peer in rule.get("from", ())]
    if OPERATOR not in peers:
        yield f"the operator may not reach port {DASHBOARD_PORT}"
    if not any("ports" not in rule for rule in rules):
        yield "its pods may not reach each other"
    places = {
        row["path"] for one in files.values() for each in one.get("nameReference", ()) for row in each["fieldSpecs"]
    }
    for part in ("headGroupSpec", "workerGroupSpecs"):
        if f"spec/rayClusterConfig/{part}/template/spec/volumes/configMap/name" not in places:
            yield f"ConfigMaps of its {part} would keep their old names"


def _ingress(data: Data) -> list[Data]:
    return list(data["spec"].get("ingress", ()))
