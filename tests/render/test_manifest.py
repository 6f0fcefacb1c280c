"""A target is a folder with a manifest; a wrong manifest is named by its place."""

import pytest

from deployadvisor import documents
from deployadvisor.errors import RenderError
from deployadvisor.render.artefacts import BUILDERS
from deployadvisor.render.manifest import FileEntry, Manifest, manifests, validated
from deployadvisor.resources import templates_folder

GOOD = """
id: x
order: 1
title: {en: X, zh: X}
role: serve
needs: {serves_with: engine}
files:
  - {path: a.txt, template: x/a.txt}
readme: []
"""


def load(text: str) -> Manifest:
    document = documents.parse(text, "templates/x/manifest.yaml")
    return validated(Manifest, document.value, document)


SERVING = [
    "compose",
    "systemd",
    "shell",
    "slurm",
    "native",
    "airgap",
    "kubernetes",
    "lws",
    "kserve",
    "helm",
    "kuberay",
]
TARGETS = [*SERVING, "gateway", "tune"]


def test_targets_stand_in_order() -> None:
    assert list(manifests()) == TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_manifest_names_is_there(name: str) -> None:
    for entry in manifests()[name].files:
        if entry.template is not None:
            assert (templates_folder() / entry.template).is_file()
        else:
            assert entry.data in BUILDERS


def test_pins_are_images_with_a_tag() -> None:
    pins = [pin for manifest in manifests().values() for pin in manifest.versions.values()]
    assert pins
    for pin in pins:
        assert pin.image is None or pin.version in pin.image
        assert pin.source


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("path: a.txt", "path: ../a.txt", "leaves the folder"),
        ("path: a.txt", "path: /a.txt", "leaves the folder"),
        ("template: x/a.txt", "template: x/a.txt, data: y", "either a template or data"),
        ("template: x/a.txt", "executable: true", "either a template or data"),
        ("template: x/a.txt", "template: x/a.txt, language: html", "language is one of"),
        ("path: a.txt", "path: 'a{replica}.txt'", "has {replica} in its path"),
        ("path: a.txt", "path: a.txt, per_replica: true", "has {replica} in its path"),
        ("role: serve", "role: cook", "role"),
        ("order: 1", "order: 1\nunknown: 2", "unknown"),
    ],
)
def test_a_wrong_manifest_is_named_by_its_place(old: str, new: str, words: str) -> None:
    with pytest.raises(RenderError, match=words) as caught:
        load(GOOD.replace(old, new))
    assert str(caught.value.where).startswith("templates/x/manifest.yaml:")


def test_a_good_manifest_loads() -> None:
    assert load(GOOD).files == (FileEntry(path="a.txt", template="x/a.txt"),)
