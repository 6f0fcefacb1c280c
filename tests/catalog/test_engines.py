"""Engines: every option exists in the pinned version, and the gates that decide are the sourced ones."""

import pytest

from deployadvisor.catalog.drivers import capability
from deployadvisor.catalog.engines import Engine, Option, engines, find_engine, known_flags
from deployadvisor.catalog.flag_changes import changes_of
from deployadvisor.errors import CatalogError

ENGINES = ["transformers", "ollama", "textgen", "vllm", "lmdeploy", "llama_cpp", "sglang"]


def spellings(engine):
    tables = (engine.flags, engine.environment, engine.modelfile)
    return {flag for table in tables for option in table.values() for flag in option.flags}


def test_the_seven_engines_are_there():
    assert list(engines()) == ENGINES


@pytest.mark.parametrize("name", ENGINES)
class TestFlags:
    def test_every_written_option_is_known_to_the_pinned_version(self, name):
        assert spellings(engines()[name]) - known_flags(name) == set()

    def test_removed_flags_are_unknown_and_their_replacements_known(self, name):
        removed = changes_of(name)
        assert set(removed) & known_flags(name) == set()
        assert {change.renamed_to for change in removed.values() if change.renamed_to} - known_flags(name) == set()

    def test_dangerous_flags_exist_and_are_never_written(self, name):
        engine = engines()[name]
        assert set(engine.never) <= known_flags(name)
        assert not set(engine.never) & spellings(engine)

    def test_the_list_is_sorted_and_free_of_junk(self, name):
        flags = known_flags(name)
        assert not flags & {"", "--", "-temp"}
        assert all(flag == flag.strip() for flag in flags)


@pytest.mark.parametrize(
    "flag", ["--swap-space", "--device", "--task", "--guided-decoding-backend", "--rope-scaling", "--worker-use-ray"]
)
def test_vllm_no_longer_knows(flag):
    assert flag in changes_of("vllm")


@pytest.mark.parametrize("name", ENGINES)
class TestImages:
    def test_images_are_pinned(self, name):
        engine = engines()[name]
        for image in filter(None, (engine.image, engine.base_image, *engine.image_variants.values())):
            _, _, tag = image.rpartition(":")
            assert tag
            assert "latest" not in image

    def test_there_is_an_official_image_or_one_to_build_on(self, name):
        engine = engines()[name]
        assert (engine.image is None) == (engine.base_image is not None)
        assert (engine.image is None) == (engine.image_basis is None)

    def test_the_pinned_version_stands_in_the_image(self, name):
        engine = engines()[name]
        assert engine.image is None or engine.version in engine.image


@pytest.mark.parametrize(
    ("name", "version", "port", "bind", "needs_proxy"),
    [
        ("transformers", "5.23.0", 8000, "localhost", True),
        ("ollama", "0.33.0", 11434, "127.0.0.1", True),
        ("textgen", "4.7.3", 5000, "127.0.0.1", False),
        ("vllm", "0.33.0", 8000, "0.0.0.0", True),
        ("lmdeploy", "0.18.0", 23333, "0.0.0.0", False),
        ("llama_cpp", "b11151", 8080, "127.0.0.1", False),
        ("sglang", "0.5.23", 30000, "127.0.0.1", False),
    ],
)
def test_server(name, version, port, bind, needs_proxy):
    engine = engines()[name]
    assert (engine.version, engine.port, engine.bind_default) == (version, port, bind)
    assert engine.needs_auth_proxy is needs_proxy


@pytest.mark.parametrize(
    ("name", "minimum", "driver"),
    [
        ("transformers", "7.5", 580),
        ("ollama", "5.0", 550),
        ("textgen", "5.0", 525),
        ("llama_cpp", "5.0", 525),
        ("lmdeploy", "7.0", 525),
        ("vllm", "7.5", 580),
        ("sglang", "7.5", 580),
    ],
)
def test_hardware_gates(name, minimum, driver):
    gates = engines()[name].gates
    assert gates.compute_capability_min == minimum
    assert gates.driver_min.major == driver
    assert gates.driver_min.status == "verified"
    assert "nvidia" in gates.driver_min.source or "ollama" in gates.driver_min.source


@pytest.mark.parametrize(
    ("name", "bf16", "fp8"), [("vllm", "8.0", "8.9"), ("sglang", "8.0", "8.9"), ("ollama", None, None)]
)
def test_number_formats(name, bf16, fp8):
    gates = engines()[name].gates
    assert (gates.bf16_min_compute_capability, gates.native_fp8_min) == (bf16, fp8)


def test_no_format_is_offered_below_the_engine_itself():
    for engine in engines().values():
        floor = engine.gates.compute_capability_min
        for support in engine.gates.formats.values():
            if floor and support.compute_capability_min:
                assert capability(support.compute_capability_min) >= capability(floor)


def test_capabilities_compare_as_numbers():
    assert sorted(["10.0", "8.6", "9.0", "12.1"], key=capability) == ["8.6", "9.0", "10.0", "12.1"]


class TestArguments:
    def test_value(self):
        assert engines()["vllm"].flags["max_model_len"].arguments(32768) == ("--max-model-len", "32768")

    def test_our_word_becomes_the_engines(self):
        assert engines()["sglang"].flags["kv_dtype"].arguments("fp8") == ("--kv-cache-dtype", "fp8_e4m3")

    def test_a_word_of_the_engine_is_passed(self):
        assert engines()["vllm"].flags["kv_dtype"].arguments("fp8_e5m2") == ("--kv-cache-dtype", "fp8_e5m2")

    def test_positional(self):
        assert engines()["vllm"].flags["model"].arguments("Qwen/Qwen3-8B") == ("Qwen/Qwen3-8B",)

    def test_list(self):
        option = engines()["lmdeploy"].flags["lora_modules"]
        assert option.arguments(["a=/a", "b=/b"]) == ("--adapters", "a=/a", "b=/b")

    @pytest.mark.parametrize(
        ("name", "value", "written"),
        [
            ("vllm", True, ("--enable-prefix-caching",)),
            ("vllm", False, ("--no-enable-prefix-caching",)),
            ("lmdeploy", True, ("--enable-prefix-caching",)),
            ("lmdeploy", False, ()),
            ("sglang", True, ()),
            ("sglang", False, ("--disable-radix-cache",)),
        ],
    )
    def test_switch(self, name, value, written):
        assert engines()[name].flags["enable_prefix_caching"].arguments(value) == written

    @pytest.mark.parametrize(
        "fields",
        [{"kind": "positional", "names": ["--model"]}, {"kind": "value"}, {"names": ["--a"], "disabled_by": "--b"}],
    )
    def test_an_option_that_cannot_be_written_is_refused(self, fields):
        with pytest.raises(ValueError, match=r"positional|switch"):
            Option.model_validate(fields)


def test_vllm_serves_adapters_of_listed_ranks_only():
    assert engines()["vllm"].lora.ranks == (1, 8, 16, 32, 64, 128, 256, 320, 512)


def test_ollama_serves_some_families_one_at_a_time():
    assert {"qwen35", "qwen3next"} <= set(engines()["ollama"].max_concurrency.serial_families)


@pytest.mark.parametrize(
    ("memory_gib", "tokens"), [(12, 4096), (22.5, 4096), (23.99, 32768), (46, 32768), (47.99, 262144), (640, 262144)]
)
def test_ollama_opens_a_context_by_memory(memory_gib, tokens):
    assert find_engine("ollama").context_for(memory_gib) == tokens


def test_other_engines_open_the_models_own_context():
    assert {name for name, engine in engines().items() if engine.context_for(80)} == {"ollama"}


@pytest.mark.parametrize("rows", [[(24, 1)], [(0, 1), (24, 2)]])
def test_a_machine_without_a_context_is_refused(rows):
    fields = engines()["ollama"].model_dump()
    fields["default_context"] = [{"min_memory_gib": floor, "tokens": tokens} for floor, tokens in rows]
    with pytest.raises(ValueError, match="must fall in min_memory_gib"):
        Engine.model_validate(fields)


def test_serial_families_are_written_as_gguf_files_name_them():
    families = engines()["ollama"].max_concurrency.serial_families
    assert {"mllama", "qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe", "qwen3next", "lfm2", "nemotron_h"} <= set(
        families
    )
    assert all(family == family.casefold() and "-" not in family for family in families)


def test_weight_only_formats_run_below_where_they_are_native():
    for engine in engines().values():
        for support in engine.gates.formats.values():
            if support.native_from and support.compute_capability_min:
                assert capability(support.compute_capability_min) < capability(support.native_from)


def test_adapters_are_served_by_a_named_back_end_or_by_all():
    assert find_engine("lmdeploy").lora.backend == "pytorch"
    assert {name for name, engine in engines().items() if not engine.lora.supported} == {"transformers"}
    for engine in engines().values():
        assert engine.lora.backend in (None, *engine.architectures.backends)


def test_vllm_fp8_is_not_an_online_scheme():
    assert "fp8" not in engines()["vllm"].online_quantization
    assert "fp8" in engines()["sglang"].online_quantization


@pytest.mark.parametrize(
    ("text", "name"), [("llama.cpp", "llama_cpp"), ("VLLM", "vllm"), ("oobabooga", "textgen"), ("HF", "transformers")]
)
def test_find_engine(text, name):
    assert find_engine(text).id == name


def test_an_unknown_engine_gets_a_suggestion():
    with pytest.raises(CatalogError) as caught:
        find_engine("lmdeply")
    assert caught.value.suggestion == "LMDeploy"
