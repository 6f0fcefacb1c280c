"""What no real tool notices: each check looks at the finished files of one kind and yields what cannot work.

A new kind of target adds one function to ``CHECKS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath

from deployadvisor import documents
from deployadvisor.render.airgap import check_airgap
from deployadvisor.render.check import HasText, Issue, env_names
from deployadvisor.render.check_compose import check_compose, check_references
from deployadvisor.render.check_flags import check_flags
from deployadvisor.render.check_kubernetes import check_kubernetes, check_kustomization
from deployadvisor.render.compose_engine import command
from deployadvisor.render.host import Host
from deployadvisor.render.kubernetes import FOLDER, KUSTOMIZATION, NOT_APPLIED
from deployadvisor.render.kubernetes_names import hub_secret_name, secret_name
from deployadvisor.render.monitoring import check_queries
from deployadvisor.render.view import View

Files = Mapping[str, HasText]

MONITORING = frozenset({"monitoring/alerts.yaml", "monitoring/dashboard.json"})
"""Files with queries."""


def semantic_issues(files: Files, view: View) -> Iterator[Issue]:
    """Everything that is wrong although every file is well formed."""
    for check in CHECKS:
        yield from check(files, view)


def _compose(files: Files, view: View) -> Iterator[Issue]:  # noqa: ARG001 - every check is called alike
    if "compose.yaml" in files:
        data = documents.parse(files["compose.yaml"].text, "compose.yaml").value
        problems = check_compose(data, env_names(files[".env.example"].text))
        yield from (Issue("compose.yaml", problem) for problem in problems)
    for path in (one for one in files if PurePosixPath(one).match("compose.*.yaml")):
        data = documents.parse(files[path].text, path).value
        for problem in check_references(data, env_names(files[".env.example"].text)):
            yield Issue(path, problem)


def _airgap(files: Files, view: View) -> Iterator[Issue]:
    if view.air_gapped:
        data = documents.parse(files["compose.yaml"].text, "compose.yaml").value
        yield from (Issue("compose.yaml", one) for one in check_airgap(data, files["airgap/images.txt"].text))


def _queries(files: Files, view: View) -> Iterator[Issue]:
    for path in MONITORING & files.keys():
        data = documents.parse(files[path].text, path).value
        yield from (Issue(path, problem) for problem in check_queries(view.engine.id, data))


def _flags(files: Files, view: View) -> Iterator[Issue]:  # noqa: ARG001
    if view.serving is not None and not view.hosted:
        flags = check_flags(view.engine, _engine_words(view))
        yield from (Issue("plan.flags", problem) for problem in flags)


def _engine_words(view: View) -> list[str]:
    """The command line of the engine where the bundle runs it."""
    if view.on_host:
        return list(Host(view).replicas[0].arguments)
    return list(command(view).get("command", []))


def _kubernetes(files: Files, view: View) -> Iterator[Issue]:
    if not view.in_pod:
        return
    inside = {str(PurePosixPath(path).relative_to(FOLDER)): file for path, file in files.items() if _is_inside(path)}
    data = {path: documents.parse(file.text, path).value for path, file in inside.items() if path.endswith(".yaml")}
    secrets = frozenset(name(view.cluster_name) for name in (secret_name, hub_secret_name))
    problems = check_kubernetes(data, view.engine, secrets)
    yield from (Issue(str(FOLDER / path), problem) for path, problem in problems)
    whole = {path for path, one in data.items() if "spec" in one or "metadata" in one} - set(NOT_APPLIED)
    for problem in check_kustomization(data[KUSTOMIZATION], frozenset(inside), frozenset(whole)):
        yield Issue(str(FOLDER / KUSTOMIZATION), problem)


def _is_inside(path: str) -> bool:
    return PurePosixPath(path).is_relative_to(FOLDER)


CHECKS: tuple[Callable[[Files, View], Iterator[Issue]], ...] = (_compose, _airgap, _queries, _flags, _kubernetes)
