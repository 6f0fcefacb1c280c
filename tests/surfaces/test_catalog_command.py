"""``deployadvisor catalog`` lists, filters and shows entries; one YAML entry is all that a model or a card needs."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.gpus import gpus
from deployadvisor.catalog.instances import instances
from deployadvisor.catalog.models import models
from deployadvisor.catalog.providers import providers
from deployadvisor.catalog.regulations import regulations
from deployadvisor.errors import CatalogError
from deployadvisor.surfaces.catalog_filters import read_condition
from deployadvisor.surfaces.cli import main

FIELDS = st.sampled_from(
    ["memory_gb", "vendor", "aliases", "lora", "lora.ranks", "gates.formats.fp8", "checked_on", "compute_capability"]
)
ROOT = Path(__file__).resolve().parents[2]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(("catalog", *arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    code, out, _ = run(capsys, *arguments, "--json")
    assert code == 0
    return [entry["id"] for entry in json.loads(out)]


class TestList:
    def test_words_narrow_and_aliases_count(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert found(capsys, "gpus", "dgx") == ["gb10"]
        assert found(capsys, "gpus", "rtx", "blackwell", "server") == ["rtx-pro-6000"]

    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            (["models", "xyzzy"], 'no entry matches "xyzzy"'),
            (["gpus", "h1000"], 'no entry matches "h1000"; did you mean "H100"?'),
            (["instances", "p5.48xlarges"], 'no entry matches "p5.48xlarges"; did you mean "p5.48xlarge"?'),
            (
                ["instances", "azure nd96isr h100 v5"],
                (
                    'no entry matches "azure nd96isr h100 v5"; as a name it means Standard_ND96isr_H100_v5, '
                    "which --show explains"
                ),
            ),
            (["gpus", "vendor", "--where", "memory_gb>9000"], 'no entry matches "vendor memory_gb>9000"'),
            (
                ["gpus", "英伟达4090显卡"],
                'no entry matches "英伟达4090显卡"; as a name it means rtx-4090, which --show explains',
            ),
            (
                ["models", "Qwen/Qwen3-8B-FP8"],
                (
                    'no entry matches "Qwen/Qwen3-8B-FP8"; as a name it means Qwen/Qwen3-8B-FP8 '
                    "(estimate understands it as a copy of Qwen/Qwen3-8B), which --show explains"
                ),
            ),
        ],
    )
    def test_nothing_found_is_said_in_one_line(
        self, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
    ) -> None:
        assert run(capsys, *arguments)[:2] == (0, f"{line}\n")
        assert found(capsys, *arguments) == []

    def test_nothing_found_stays_on_one_line_whatever_was_asked(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert len(run(capsys, "models", "\x1b[2J\n# " * 40)[1].splitlines()) == 1

    def test_a_long_list_goes_to_the_pager_of_a_terminal(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paged: list[str] = []
        monkeypatch.setattr("click.echo_via_pager", paged.append)
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        assert run(capsys, "models")[1] == ""
        assert len(paged[0].splitlines()) == len(models()) + 1
        assert run(capsys, "gpus", "dgx")[1].startswith("id ")


class TestWhere:
    @pytest.mark.parametrize(
        ("kind", "conditions", "ids"),
        [
            ("gpus", ["vendor=amd", "memory_gb>=250"], ["mi325x", "mi350x", "mi355x"]),
            (
                "gpus",
                ["vendor = AMD", "memory_gb < 100", "memory_gb > 50", "consumer=no"],
                ["mi210", "mi250", "mi250x"],
            ),
            ("gpus", ["pci_ids=1002:744c"], ["rx-7900gre", "rx-7900xt", "rx-7900xtx"]),
            ("gpus", ["gfx_target=gfx942"], ["mi300x", "mi308x", "mi325x"]),
            ("gpus", ["compute_capability>=12.1"], ["gb10"]),
            ("gpus", ["compute_capability=10.3"], ["b300", "gb300"]),
            ("gpus", ["memory_gb=?"], ["m5-pro", "m5-ultra"]),
            (
                "gpus",
                ["unified_memory=yes", "vendor=nvidia"],
                ["gb10", "jetson-thor", *(f"jetson-orin-{board}" for board in ("64", "32", "nx-16", "nx-8", "nano"))],
            ),
            ("gpus", ["usable_memory_gib>250", "vendor!=nvidia"], ["mi325x", "mi350x", "mi355x", "m3-ultra"]),
            ("instances", ["cloud=AWS", "gpu=h100-sxm", "gpus>1"], ["p5.48xlarge"]),
            ("instances", ["cloud=gcp", "nvlink=yes", "network_gbps>=3600", "gpus=4"], ["a4x-maxgpu-4g-metal"]),
            ("instances", ["cloud=lambda", "memory_gib=?"], ["gpu_1x_a10", "gpu_1x_h100_pcie"]),
            ("engines", ["gates.vendors=huawei"], ["lmdeploy", "sglang"]),
            ("engines", ["lora.backend=pytorch"], ["lmdeploy"]),
            ("engines", ["gates.formats.mxfp4.native_from>=9.0"], ["vllm"]),
            ("engines", ["gates.compiled_for=7.0", "gates.compute_capability_min>=5.1"], ["lmdeploy"]),
            ("engines", ["gates.formats=exl3"], ["textgen"]),
            ("engines", ["roles!=serve", "openai_compatible=true", "lora.supported=no"], ["transformers"]),
            ("providers", ["id=openai"], ["openai"]),
            ("regulations", ["jurisdiction=eu/eea", "id=gdpr"], ["gdpr"]),
        ],
    )
    def test_conditions(
        self, capsys: pytest.CaptureFixture[str], kind: str, conditions: list[str], ids: list[str]
    ) -> None:
        assert found(capsys, kind, *(part for each in conditions for part in ("--where", each))) == ids

    def test_numbers_compare_as_numbers(self, capsys: pytest.CaptureFixture[str]) -> None:
        small = found(capsys, "models", "--where", "attention=mla", "--where", "total_params<100e9")
        assert "deepseek-ai/DeepSeek-V2-Lite-Chat" in small
        assert all(models()[name].total_params < 100e9 for name in small)

    def test_unknown_is_neither_met_nor_hidden(self, capsys: pytest.CaptureFixture[str]) -> None:
        least = ("--where", "memory_gib>=1")
        known = sum(gpu.memory_gib is not None for gpu in gpus().values())
        assert len(found(capsys, "gpus", *least)) == known
        expected = f"memory_gib is unknown in {len(gpus()) - known} of {len(gpus())} entries: left out\n"
        assert run(capsys, "gpus", *least)[2] == expected

    def test_known_is_the_opposite_of_unknown(self, capsys: pytest.CaptureFixture[str]) -> None:
        ids = found(capsys, "models", "--where", "mla!=?")
        assert ids == [model.id for model in models().values() if model.mla]
        assert set(found(capsys, "models", "--where", "mla=?")) == set(models()) - set(ids)

    def test_dates_compare(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert found(capsys, "gpus", "--where", "checked_on<2026-11-22") == []
        assert len(found(capsys, "gpus", "--where", "checked_on>=2026-11-22")) == len(gpus())

    @pytest.mark.parametrize(
        ("kind", "condition", "complaint"),
        [
            ("gpus", "vendr=amd", '"vendr" is not a field; did you mean "vendor"?'),
            ("gpus", "vendor=amdd", 'vendor: "amdd" is not one of its values; did you mean "amd"?'),
            ("gpus", "vendor<amd", '"<" compares numbers'),
            ("gpus", "memory_gb=big", '"big" is not a number'),
            ("gpus", "memory_gb=nan", '"nan" is not a number'),
            ("gpus", "consumer=maybe", '"maybe" is not yes or no'),
            ("gpus", "compute_capability>=ada", '"ada" is not a compute capability'),
            ("gpus", "vendor", "is not a condition"),
            ("gpus", "", "is not a condition"),
            ("engines", "lora.suported=yes", '"suported" is not a field of lora; did you mean "supported"?'),
            ("engines", "lora.=yes", "is not a condition"),
            ("engines", "id.length=3", "is not a field of id"),
            ("gpus", "__class__=x", "is not a field"),
            ("gpus", "model_fields=x", "is not a field"),
            ("instances", "cloud=amazone", '"amazone" is not one of its values'),
            ("instances", "memory_gb>1", '"memory_gb" is not a field; did you mean "memory_gib"?'),
        ],
    )
    def test_a_wrong_condition_is_refused(
        self, capsys: pytest.CaptureFixture[str], kind: str, condition: str, complaint: str
    ) -> None:
        code, out, err = run(capsys, kind, "--where", condition)
        assert (code, out) == (2, "")
        assert err.startswith("--where: error: ")
        assert complaint in err
        assert len(err.splitlines()) == 1

    @given(
        condition=st.text(max_size=40)
        | st.builds("{}{}{}".format, FIELDS, st.sampled_from(["=", "!=", "<", ">="]), st.text())
    )
    def test_whatever_is_written_is_a_condition_or_an_error(self, condition: str) -> None:
        for entries in (tuple(gpus().values()), tuple(engines().values())):
            with contextlib.suppress(CatalogError):
                wanted = read_condition(condition, entries)
                assert all(wanted.holds(entry) in (True, False) for entry in entries)

    def test_errors_are_json_on_request(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _ = run(capsys, "gpus", "--where", "vendr=amd", "--json")
        assert code == 2
        assert json.loads(out)["error"]["did_you_mean"] == "vendor"


class TestShow:
    @pytest.mark.parametrize(
        ("kind", "name", "title"),
        [
            ("models", "qwen3-8b", "Qwen/Qwen3-8B"),
            ("gpus", "昇腾910B", "ascend-910b"),
            ("instances", "oci bm.gpu.h100.8", "BM.GPU.H100.8"),
            ("engines", "llama.cpp", "llama_cpp"),
            ("providers", "Kimi", "moonshot"),
            ("regulations", "EU AI Act", "eu_ai_act"),
        ],
    )
    def test_every_kind(self, capsys: pytest.CaptureFixture[str], kind: str, name: str, title: str) -> None:
        code, out, _ = run(capsys, kind, "--show", name)
        assert (code, out.splitlines()[0]) == (0, title)
        assert "\nread in\n  - " in out
        day = "2026-11-28" if kind == "instances" else "2026-11-22"
        assert out.endswith(f"compared with its sources on {day}\n")
        assert json.loads(run(capsys, kind, "--show", name, "--json")[1])["id"] == title

    @pytest.mark.parametrize(
        ("kind", "entries"),
        [
            ("models", models()),
            ("gpus", gpus()),
            ("instances", instances()),
            ("engines", engines()),
            ("providers", providers()),
            ("regulations", regulations()),
        ],
    )
    def test_every_known_field_and_source_is_there(
        self, capsys: pytest.CaptureFixture[str], kind: str, entries: dict[str, object]
    ) -> None:
        name = next(iter(entries))
        out = run(capsys, kind, "--show", name)[1]
        shown = yaml.safe_load(out.split("\n", 1)[1].split("\n\n")[0])
        entry = entries[name].model_dump(mode="json")
        for field, value in entry.items():
            if value not in (None, "", [], {}) and field not in ("id", "source", "checked_on"):
                assert field in shown
        assert all(" ".join(source.split()) in " ".join(out.split()) for source in entry["source"])

    def test_an_entry_without_parts_stands_in_lines(self, capsys: pytest.CaptureFixture[str]) -> None:
        lines = run(capsys, "instances", "--show", "p3.2xlarge")[1].splitlines()
        assert lines[:4] == ["p3.2xlarge", "  cloud: aws", "  gpu: v100-16g", "  gpus: 1"]
        assert "  local_disk_gb, nvlink" in lines

    def test_unknown_is_said(self, capsys: pytest.CaptureFixture[str]) -> None:
        out = run(capsys, "gpus", "--show", "m5-ultra")[1]
        assert "memory_bandwidth_gb_s" in out.partition("not read, or no such part\n")[2]

    def test_what_comes_from_the_base_names_its_sources(self, capsys: pytest.CaptureFixture[str]) -> None:
        out = run(capsys, "models", "--show", "unsloth/Qwen3-8B-FP8")[1]
        assert '- the ending "-FP8" of the name; all else as Qwen/Qwen3-8B' in out
        of_base = " ".join(out.split()).count("(of Qwen/Qwen3-8B)")
        assert of_base == len(models()["Qwen/Qwen3-8B"].source)

    def test_a_misspelt_name(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, err = run(capsys, "gpus", "--show", "h1000")
        assert (code, out) == (2, "")
        assert 'did you mean "H100"?' in err

    @pytest.mark.parametrize("more", [["qwen"], ["--where", "attention=mla"]])
    def test_it_is_one_entry_or_a_list(self, capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
        code, _, err = run(capsys, "models", "--show", "qwen3-8b", *more)
        assert code == 2
        assert "--show takes one name" in err


MODEL = """
  maker/Model-1B:
    aliases: [Model 1B]
    family: Model
    architecture: LlamaForCausalLM
    model_type: llama
    attention: gqa
    num_hidden_layers: 16
    hidden_size: 2048
    num_attention_heads: 32
    num_key_value_heads: 8
    head_dim: 64
    intermediate_size: 8192
    vocab_size: 128256
    max_position_embeddings: 131072
    tie_word_embeddings: true
    total_params: 1235814400
    active_params: 1235814400
    embedding_params: 262668288
    params_source: counted
    licence: mit
    commercial_use: 'yes'
    source: [transformers]
"""
CARD = """
  b999:
    name: NVIDIA B999
    aliases: [B999 PCIe]
    vendor: nvidia
    architecture: Blackwell
    form_factor: PCIe
    memory_gb: 48
    memory_bandwidth_gb_s: 1000
    fp16_dense_tflops: 200
    fp8_dense_tflops: 400
    int8_dense_tops: null
    fp4_dense_tflops: 800
    compute_capability: '10.0'
    nvlink_gb_s: null
    tdp_w: 300
    pcie_gen: 5
    source: [gpu-specs]
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program with one entry more in two files, and nothing else."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("deployadvisor", "rules", "templates"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    data = folder / "deployadvisor" / "catalog" / "data"
    for file, entry in (("models.yaml", MODEL), ("gpus.yaml", CARD)):
        with (data / file).open("a", encoding="utf-8") as out:
            out.write(entry)
    return folder


@pytest.mark.parametrize(
    ("arguments", "id_"),
    [
        (["catalog", "models", "--show", "model 1b", "--json"], "maker/Model-1B"),
        (["catalog", "gpus", "--show", "b999", "--json"], "b999"),
    ],
)
def test_one_entry_is_in_the_catalogue(copy: Path, arguments: list[str], id_: str) -> None:
    assert elsewhere(copy, *arguments)["id"] == id_


def test_one_entry_is_enough_to_estimate(copy: Path) -> None:
    body = elsewhere(copy, "estimate", "--model", "Model 1B", "--hardware", "2x B999", "--json")
    assert body["kv_bytes_per_token"] == 2 * 16 * 8 * 64 * 2
    assert body["weights_gib"] == pytest.approx(1235814400 * 2 / 2**30)


def elsewhere(folder: Path, *arguments: str) -> dict[str, object]:
    """The JSON that the program in ``folder`` prints."""
    code = "import sys; from deployadvisor.surfaces.cli import main; sys.exit(main())"
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    value: dict[str, object] = json.loads(ran.stdout)
    return value
