"""What no real tool notices: each check looks at the finished files of one kind and yields what cannot work.

A new kind of target adds one function to ``CHECKS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from deployadvisor.render.airgap import check_airgap, check_closed_cluster
from deployadvisor.render.check import HasText, Issue, env_names, read_back
from deployadvisor.render.check_compose import check_compose, check_references
from deployadvisor.render.check_flags import check_flags
from deployadvisor.render.check_helm import check_values, with_chart
from deployadvisor.render.check_kserve import as_made, check_group, check_kserve
from deployadvisor.render.check_kuberay import check_kuberay, pods_of_ray
from deployadvisor.render.check_kubernetes import check_kubernetes, check_kustomization
from deployadvisor.render.check_lws import check_lws, pods_of_sets
from deployadvisor.render.check_slurm import RANK, check_batch_script, check_step
from deployadvisor.render.host import engine_words
from deployadvisor.render.kubernetes import KUSTOMIZATION, NOT_APPLIED, folder_of
from deployadvisor.render.kubernetes_names import hub_secret_name, secret_name
from deployadvisor.render.logs import check_log_flags
from deployadvisor.render.monitoring import check_queries, named_by
from deployadvisor.render.view import View

Files = Mapping[str, HasText]

MONITORING = frozenset(
    {
        "monitoring/alerts.yaml",
        "monitoring/dashboard.json",
        *(f"{target}/alert-rules.yaml" for target in ("kubernetes", "lws", "kserve", "helm", "kuberay")),
    }
)
"""Files with queries."""


def semantic_issues(files: Files, view: View) -> Iterator[Issue]:
    """Everything that is wrong although every file is well formed."""
    for check in CHECKS:
        yield from check(files, view)


def _compose(files: Files, view: View) -> Iterator[Issue]:
    if "compose.yaml" in files:
        data = read_back(files["compose.yaml"].text, "compose.yaml").value
        problems = check_compose(data, env_names(files[".env.example"].text))
        yield from (Issue("compose.yaml", problem) for problem in problems)
    for path in (one for one in files if PurePosixPath(one).match("compose.*.yaml")):
        data = read_back(files[path].text, path).value
        for problem in check_references(data, env_names(files[".env.example"].text)):
            yield Issue(path, problem)


def _airgap(files: Files, view: View) -> Iterator[Issue]:
    if view.air_gapped:
        data = read_back(files["compose.yaml"].text, "compose.yaml").value
        yield from (Issue("compose.yaml", one) for one in check_airgap(data, files["airgap/images.txt"].text))


def _closed_cluster(files: Files, view: View) -> Iterator[Issue]:
    path = "kubernetes/registry/kustomization.yaml"
    if path in files:
        pods = read_back(files["kubernetes/deployment.yaml"].text, "kubernetes/deployment.yaml").value
        component = read_back(files[path].text, path).value
        problems = check_closed_cluster(pods, component, files["airgap/images.txt"].text)
        yield from (Issue(path, problem) for problem in problems)


def _batch_scripts(files: Files, view: View) -> Iterator[Issue]:
    plan = view.advice.plan
    for path in (one for one in files if one.endswith(".sbatch")):
        nodes = plan.nodes if path == "serve.sbatch" else 1
        problems = check_batch_script(files[path].text, plan.gpus // plan.nodes, nodes)
        yield from (Issue(path, problem) for problem in problems)
    if RANK in files:
        found = check_step(files["serve.sbatch"].text, files[RANK].text, view.engine, plan)
        yield from (Issue(path, problem) for path, problem in found)


def _queries(files: Files, view: View) -> Iterator[Issue]:
    for path in MONITORING & files.keys():
        data = read_back(files[path].text, path).value
        yield from (Issue(path, problem) for problem in check_queries(named_by(view), data))


def _flags(files: Files, view: View) -> Iterator[Issue]:
    if view.serving is not None and not view.hosted:
        flags = check_flags(view.engine, engine_words(view))
        yield from (Issue("plan.flags", problem) for problem in flags)
        yield from (Issue("plan.flags", problem) for problem in check_log_flags(view.engine.id, engine_words(view)))


def _kubernetes(files: Files, view: View) -> Iterator[Issue]:
    if not view.in_pod:
        return
    inside = _inside(files, view)
    data = _objects(inside)
    secrets = frozenset(name(view.cluster_name) for name in (secret_name, hub_secret_name))
    made = with_chart(pods_of_ray(pods_of_sets(as_made(data))), view.cluster_name)
    problems = check_kubernetes(made, view.engine, secrets)
    yield from (Issue(str(folder_of(view) / path), problem) for path, problem in problems)
    whole = {path for path, one in data.items() if "spec" in one or "metadata" in one} - set(NOT_APPLIED)
    for problem in check_kustomization(data[KUSTOMIZATION], frozenset(inside), frozenset(whole)):
        yield Issue(str(folder_of(view) / KUSTOMIZATION), problem)


def _kserve(files: Files, view: View) -> Iterator[Issue]:
    if view.on_kserve:
        inside = _inside(files, view)
        data = {path: read_back(one.text, path).value for path, one in inside.items() if path.endswith(".yaml")}
        spread = check_group(data, view.engine, view.advice.plan) if view.advice.plan.nodes > 1 else ()
        found = (*check_kserve(data), *spread)
        yield from (Issue(str(folder_of(view) / path), problem) for path, problem in found)


def _helm(files: Files, view: View) -> Iterator[Issue]:
    path = "helm/values.yaml"
    if path in files:
        values = read_back(files[path].text, path).value
        yield from (Issue(path, problem) for problem in check_values(values))


def _lws(files: Files, view: View) -> Iterator[Issue]:
    if view.serving is not None and view.serving.id == "lws":
        found = check_lws(_objects(_inside(files, view)), view.engine, view.advice.plan)
        yield from (Issue(str(folder_of(view) / path), problem) for path, problem in found)


def _kuberay(files: Files, view: View) -> Iterator[Issue]:
    if view.on_ray:
        found = check_kuberay(_objects(_inside(files, view)), view.advice.plan)
        yield from (Issue(str(folder_of(view) / path), problem) for path, problem in found)


def _objects(inside: Files) -> dict[str, dict[str, Any]]:
    """The YAML files that are objects, parsed; patches of single fields are lists."""
    parsed = {path: read_back(file.text, path).value for path, file in inside.items() if path.endswith(".yaml")}
    return {path: data for path, data in parsed.items() if isinstance(data, dict)}


def _inside(files: Files, view: View) -> Files:
    """The files of the folder of manifests."""
    folder = folder_of(view)
    inside = (path for path in files if PurePosixPath(path).is_relative_to(folder))
    return {str(PurePosixPath(path).relative_to(folder)): files[path] for path in inside}


CHECKS: tuple[Callable[[Files, View], Iterator[Issue]], ...] = (
    _compose,
    _airgap,
    _closed_cluster,
    _batch_scripts,
    _queries,
    _flags,
    _kubernetes,
    _kserve,
    _helm,
    _lws,
    _kuberay,
)
