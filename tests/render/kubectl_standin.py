"""Stands in for kubectl and a cluster, whose objects are in the file ``CLUSTER``; the real one makes the manifests.

A pod does what the tag of its image says: with ``mute`` it fails at a chat, with ``stuck`` it never becomes ready,
with ``slow`` it takes its time, and ``refused`` is refused by the API server.
"""

import base64
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import yaml

store = pathlib.Path(os.environ["CLUSTER"])
cluster = json.loads(store.read_text()) if store.exists() else {}
say = sys.stdout.write
KEY = "secret-key"


def kind_of(thing):
    group = thing["apiVersion"].rpartition("/")[0]
    return thing["kind"].lower() + (f".{group}" if group else "")


def rendered(folder):
    text = subprocess.run([os.environ["KUBECTL"], "kustomize", folder], capture_output=True, check=True).stdout
    return {f"{kind_of(thing)}/{thing['metadata']['name']}": thing for thing in yaml.safe_load_all(text)}


def workload():
    return next(json.dumps(thing) for name, thing in cluster.items() if name.startswith(("deploy", "leader")))


def image():
    return next(one for one in re.findall(r'"image": "([^"]*)"', workload()) if "caddy" not in one)


def ready():
    missing = [
        one for one in re.findall(r'"configMap": {"name": "([^"]*)"', workload()) if f"configmap/{one}" not in cluster
    ]
    if missing:
        sys.exit(f"pods wait for configmap {missing[0]}")
    if "slow" in image():
        time.sleep(1)
    if "stuck" in image():
        sys.exit("error: timed out waiting for the condition")


class Service(http.server.BaseHTTPRequestHandler):
    def answer(self, status, text):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *words):
        pass

    def do_GET(self):
        self.answer(200, "ok")

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        if self.headers["Authorization"] != f"Bearer {KEY}":
            self.answer(401, "who are you")
        elif "mute" in image():
            self.answer(500, "no kernel image is available")
        else:
            self.answer(200, json.dumps({"image": image(), "choices": [{"finish_reason": "stop"}]}))


with (store.parent / "told").open("a") as told:
    told.write(" ".join(sys.argv[1:]) + "\n")
match sys.argv[1:]:
    case ["config", "current-context"]:
        say("a-cluster")
    case ["config", *_]:
        pass
    case ["get", "secret", _, "-o", _]:
        say(base64.b64encode(KEY.encode()).decode())
    case ["get", "pods", *_] | ["logs", *_]:
        say("as asked\n")
    case ["get", name]:
        if not any(one.partition(".")[0].startswith(name.partition("/")[0]) for one in cluster):
            sys.exit(f"{name} not found")
    case ["diff", "-k", folder]:
        new = rendered(folder)
        if "refused" in json.dumps(new):
            sys.exit(2)
        changed = [name for name, thing in new.items() if cluster.get(name) != thing]
        say("".join(f"+ {name}\n" for name in changed))
        sys.exit(1 if changed else 0)
    case ["apply", "-k", folder, "--dry-run=client", "-o", "name"]:
        say("".join(f"{name}\n" for name in rendered(folder)))
    case ["apply", "-k", folder]:
        cluster |= rendered(folder)
        store.write_text(json.dumps(cluster))
    case ["scale", _, "--replicas=0"] | ["wait", "--for=delete", *_]:
        pass
    case ["rollout", "status", *_] | ["wait", *_]:
        ready()
    case ["port-forward", _, ports]:
        http.server.ThreadingHTTPServer(("127.0.0.1", int(ports.partition(":")[0])), Service).serve_forever()
    case _:
        sys.exit(f"unknown: kubectl {' '.join(sys.argv[1:])}")
