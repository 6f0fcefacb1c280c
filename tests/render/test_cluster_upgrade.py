"""upgrade.sh for a cluster, with manifests that the real kubectl makes and a cluster that has a stand-in."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import render
from tests.render.cluster_tools import program
from tests.render.factory import served
from tests.render.versions_at_work import Scripts, kill_at

pytestmark = [pytest.mark.slow, pytest.mark.tool]

KUBECTL = Path(__file__).parent / "kubectl_standin.py"
ONE_NODE = served("vllm")
NODES = served("vllm", cards=16, nodes=2, tensor_parallel=8, pipeline_parallel=2)


class Cluster(Scripts):
    """A folder whose files run in a cluster."""

    def __init__(self, root: Path, advice: Recommendation = ONE_NODE, target: str = "kubernetes") -> None:
        self.root, self.path = root, root / "it's here"
        self.manifests = self.path / target
        self.pods = self.manifests / ("deployment.yaml" if target == "kubernetes" else "leader-worker-set.yaml")
        self.tools = {"KUBECTL": program("kubectl"), "CLUSTER": str(root / "cluster.json")}
        render(advice, [target]).write(self.path)
        self._quicken()
        (root / "bin").mkdir()
        (root / "bin" / "kubectl").write_text(
            f"#!{sys.executable} -B\n{KUBECTL.read_text('utf-8')}", encoding="utf-8"
        )
        (root / "bin" / "kubectl").chmod(0o755)
        self.run("kubectl", "apply", "-k", f"{target}/")
        self.run("./versions.sh", "keep")

    def _quicken(self) -> None:
        text = (self.path / "smoke-test.sh").read_text(encoding="utf-8")
        (self.path / "smoke-test.sh").write_text(re.sub(r"sleep \d", "sleep 0.1", text), encoding="utf-8")

    def change(self, tag: str) -> None:
        """Another image in the files, and another file of the proxy, whose ConfigMap gets another name."""
        text = self.pods.read_text(encoding="utf-8")
        self.pods.write_text(re.sub(r"(vllm-openai):[^\s\"']+", rf"\1:{tag}", text), encoding="utf-8")
        with (self.manifests / "proxy" / "Caddyfile").open("a", encoding="utf-8") as file:
            file.write(f"# {tag}\n")

    def environment(self) -> dict[str, str]:
        path = f"{self.root / 'bin'}:{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.root), "WAIT_S": "20", **self.tools}

    @property
    def objects(self) -> dict[str, object]:
        """What is in the cluster."""
        return dict(json.loads(Path(self.tools["CLUSTER"]).read_text(encoding="utf-8")))

    @property
    def pod(self) -> object:
        """What runs the pods."""
        return next(thing for name, thing in self.objects.items() if name.startswith(("deployment", "leader")))

    def files(self) -> dict[str, bytes]:
        """The manifests."""
        return {str(path): path.read_bytes() for path in self.manifests.rglob("*") if path.is_file()}


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    return Cluster(tmp_path)


def test_it_shows_applies_and_asks(cluster: Cluster) -> None:
    cluster.change("v0.34.0")
    assert "+ deployment.apps/support-bot" in cluster.run("./upgrade.sh", "--diff")
    assert "v0.34.0" not in json.dumps(cluster.objects)
    said = cluster.run("./upgrade.sh")
    assert "cluster a-cluster, namespace default" in said
    assert "+ deployment.apps/support-bot" in said
    assert "PASS  a chat is answered" in said
    assert re.search(r"no longer used: configmap/support-bot-proxy-\w+ \n", said)
    assert "v0.34.0" in json.dumps(cluster.pod)
    assert "these files run" in cluster.run("./upgrade.sh")


def test_a_way_back_needs_nothing_that_was_pruned(cluster: Cluster) -> None:
    old, pod = cluster.files(), cluster.pod
    cluster.change("v0.34.0")
    cluster.run("./upgrade.sh")
    used = re.findall(r'"configMap": {"name": "([^"]*)"', json.dumps(cluster.pod))
    kept = {
        name: thing
        for name, thing in cluster.objects.items()
        if not name.startswith("configmap/") or name.partition("/")[2] in used
    }
    assert len(kept) < len(cluster.objects)
    Path(cluster.tools["CLUSTER"]).write_text(json.dumps(kept), encoding="utf-8")
    cluster.run("./upgrade.sh", "--back")
    assert (cluster.files(), cluster.pod) == (old, pod)


@pytest.mark.parametrize("tag", ["v0.34.0-mute", "v0.34.0-stuck"])
def test_what_does_not_answer_goes_away_again(cluster: Cluster, tag: str) -> None:
    old, pod = cluster.files(), cluster.pod
    cluster.change(tag)
    said = cluster.run("./upgrade.sh", fails=True)
    assert "the new version does not answer; the version that ran runs again" in said
    assert (cluster.files(), cluster.pod) == (old, pod)


def test_what_the_cluster_refuses_is_not_applied(cluster: Cluster) -> None:
    old, objects = cluster.files(), cluster.objects
    cluster.change("v0.34.0-refused")
    said = cluster.run("./upgrade.sh", fails=True)
    assert "the cluster refuses the new version; the version that ran was not touched" in said
    assert (cluster.files(), cluster.objects) == (old, objects)


@pytest.mark.parametrize(
    ("step", "then"),
    [("what changes", ""), ("takes over", "--back"), ("PASS  healthy", ""), ("PASS  healthy", "--back")],
)
def test_killed_on_the_way_it_ends_or_goes_back(cluster: Cluster, step: str, then: str) -> None:
    old, pod = cluster.files(), cluster.pod
    cluster.change("v0.34.0-slow")
    kill_at(cluster.begin("./upgrade.sh"), step)
    cluster.run("./upgrade.sh", *filter(None, [then]))
    assert ("v0.34.0-slow" in json.dumps(cluster.pod)) is not bool(then)
    assert ((cluster.files(), cluster.pod) == (old, pod)) is bool(then)


def test_killed_on_the_way_back_the_old_one_runs_again(cluster: Cluster) -> None:
    old, pod = cluster.files(), cluster.pod
    cluster.change("v0.34.0-mute")
    process = cluster.begin("./upgrade.sh")
    kill_at(process, "back to the version that ran", "PASS  healthy")
    assert cluster.files() == old
    assert "way back" in cluster.run("./upgrade.sh")
    assert cluster.pod == pod


def test_another_cluster_is_left_alone(cluster: Cluster) -> None:
    cluster.change("v0.34.0")
    Path(cluster.tools["CLUSTER"]).write_text("{}", encoding="utf-8")
    assert "it does not run there" in cluster.run("./upgrade.sh", fails=True)
    assert cluster.objects == {}


def test_nothing_is_ever_deleted(cluster: Cluster) -> None:
    cluster.change("v0.34.0-mute")
    cluster.run("./upgrade.sh", fails=True)
    cluster.change("v0.34.0")
    cluster.run("./upgrade.sh")
    cluster.run("./upgrade.sh", "--back")
    told = (cluster.root / "told").read_text(encoding="utf-8")
    assert "apply" in told
    assert not re.search(r"^(delete|replace)|--prune|--force", told, re.MULTILINE)


def test_a_group_over_nodes_ends_before_the_new_one_starts(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, NODES, "lws")
    pod = cluster.pod
    cluster.change("v0.34.0-mute")
    cluster.run("./upgrade.sh", fails=True)
    assert cluster.pod == pod
    cluster.change("v0.34.0")
    cluster.run("./upgrade.sh")
    assert "v0.34.0" in json.dumps(cluster.pod)
    told = (cluster.root / "told").read_text(encoding="utf-8").splitlines()
    at = told.index("scale leaderworkerset/support-bot-group --replicas=0")
    assert [line.split()[0] for line in told[at : at + 4]] == ["scale", "wait", "apply", "wait"]
