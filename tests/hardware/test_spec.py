"""Hardware phrases: what is accepted, what it means, and errors that name the place."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deployadvisor import recommend
from deployadvisor.catalog.gpus import gpus
from deployadvisor.catalog.instances import Instance, instances
from deployadvisor.errors import DeployAdvisorError, HardwareError
from deployadvisor.estimation import estimate
from deployadvisor.hardware.machine import Accelerator, Host, Machine, Unknown, value_of
from deployadvisor.hardware.saved import save_machine
from deployadvisor.hardware.spec import MAX_PHRASE_CHARS, machine_from_phrase, resolve_hardware

KNOWN = [gpu for gpu in gpus().values() if gpu.usable_memory_gib is not None]


def ids(phrase: str) -> list[str | None]:
    return [accelerator.id for accelerator in machine_from_phrase(phrase).accelerators]


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("8x H200", ["h200"] * 8),
        ("2 x RTX 4090", ["rtx-4090"] * 2),
        ("2× RTX 4090", ["rtx-4090"] * 2),
        ("8*H100", ["h100-sxm"] * 8),
        ("8xH100", ["h100-sxm"] * 8),
        ("4X h100", ["h100-sxm"] * 4),
        ("H100", ["h100-sxm"]),
        ("1x A100 80GB PCIe", ["a100-80g-pcie"]),
        ("A100 PCIe 40 GB", ["a100-40g-pcie"]),
        ("A100 40GB", ["a100-40g-sxm"]),
        ("NVIDIA A100-SXM4-80GB", ["a100-80g-sxm"]),
        ("V100 32GB", ["v100-32g"]),
        ("H100 94GB", ["h100-nvl"]),
        ("RTX4090 24GB", ["rtx-4090"]),
        ("RTX 4090 24GiB", ["rtx-4090"]),
        ("4x Ascend 910B", ["ascend-910b"] * 4),
        ("1x L40S + 2x RTX 3090", ["l40s", "rtx-3090", "rtx-3090"]),
        ("2x H100 + cpu 512GB 64 cores", ["h100-sxm"] * 2),
        ("M3 Max 64GB", ["m3-max"]),
        ("64 GB M3 Max", ["m3-max"]),
        ("cpu 32GB", []),
        ("none", []),
        ("NONE", []),
    ],
)
def test_phrase_names_cards(phrase: str, expected: list[str]):
    assert ids(phrase) == expected


@pytest.mark.parametrize(
    ("phrase", "memory_gib", "cores"),
    [
        ("cpu 32GB", 32, None),
        ("cpu 64GB 16 cores", 64, 16),
        ("CPU 16 cores, 64 GB", 64, 16),
        ("64GB RAM", 64, None),
        ("cpu 1.5TB", 1536, None),
        ("cpu 512MB", 0.5, None),
        ("H100 + cpu 256GB 1 core", 256, 1),
        ("8x H200", None, None),
        ("none", None, None),
    ],
)
def test_phrase_names_the_host(phrase: str, memory_gib: float | None, cores: int | None):
    host = machine_from_phrase(phrase).host
    assert value_of(host.memory_total_gib) == memory_gib
    assert value_of(host.memory_available_gib) == memory_gib
    assert value_of(host.cores) == cores


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("8x H200", "linux"),
        ("DGX Spark", "linux"),
        ("4x Ascend 910B", "linux"),
        ("M3 Max 64GB", "macos"),
        ("RTX 4090", None),
        ("L40S + RTX 3090", None),
        ("cpu 32GB", None),
        ("none", None),
    ],
)
def test_operating_system_is_only_assumed_for_data_centre_cards(phrase: str, expected: str | None):
    os = machine_from_phrase(phrase).host.os
    assert value_of(os) == expected
    assert not isinstance(os, Unknown) or "phrase" in os.unknown


def test_discrete_card_has_the_catalogue_memory_and_is_assumed_idle():
    (card,) = machine_from_phrase("H200").accelerators
    assert value_of(card.memory_total_gib) == gpus()["h200"].usable_memory_gib
    assert card.memory_total_gib.source == gpus()["h200"].memory_basis
    assert card.memory_free_gib.source == "phrase: card assumed idle"
    assert value_of(card.memory_free_gib) == value_of(card.memory_total_gib)
    assert value_of(card.compute_capability) == "9.0"
    assert isinstance(card.driver_version, Unknown)


@pytest.mark.parametrize(
    ("phrase", "total_gib", "free_gib", "share"),
    [
        ("M4 16GB", 16, 32 / 3, "67%"),
        ("M1 Max 32GB", 32, 64 / 3, "67%"),
        ("M3 Max 36GB", 36, 27, "75%"),
        ("M3 Max 64GB", 64, 48, "75%"),
    ],
)
def test_apple_memory_is_shared_and_a_part_of_it_is_free(phrase: str, total_gib: float, free_gib: float, share: str):
    machine = machine_from_phrase(phrase)
    (chip,) = machine.accelerators
    assert (chip.vendor, chip.kind, chip.unified_memory) == ("apple", "integrated", True)
    assert value_of(chip.memory_total_gib) == total_gib
    assert value_of(chip.memory_free_gib) == pytest.approx(free_gib)
    assert value_of(machine.host.memory_total_gib) == total_gib
    assert share in machine.problems[0].reason


def test_the_whole_of_a_card_with_two_dies_is_two_devices():
    assert [value_of(die.memory_total_gib) for die in machine_from_phrase("2x MI250X").accelerators] == [63.98] * 2


@pytest.mark.parametrize(
    ("phrase", "marketed_gb"), [("Strix Halo", 128), ("Strix Halo 64GB", 64), ("8060S 128GB", 128)]
)
def test_other_chips_sold_with_several_sizes_have_the_one_that_is_said(phrase: str, marketed_gb: float):
    machine = machine_from_phrase(phrase)
    (chip,) = machine.accelerators
    assert (chip.id, chip.kind, chip.unified_memory) == ("strix-halo", "integrated", True)
    assert value_of(chip.memory_total_gib) == pytest.approx(marketed_gb * 1e9 / 2**30)
    assert machine.host.memory_total_gib == chip.memory_total_gib


def test_a_size_that_a_chip_is_not_sold_with_is_refused():
    with pytest.raises(HardwareError, match=r"64 GB \(strix-halo\), 128 GB \(strix-halo\)"):
        machine_from_phrase("Strix Halo 80GB")


def test_apple_memory_is_the_largest_size_where_the_phrase_says_none():
    (chip,) = machine_from_phrase("M3 Max").accelerators
    assert value_of(chip.memory_total_gib) == gpus()["m3-max"].memory_gb
    assert chip.memory_total_gib.source.startswith("largest size sold")


def test_memory_that_nobody_knows_stays_unknown():
    unknown = next(gpu for gpu in gpus().values() if gpu.usable_memory_gib is None)
    (chip,) = machine_from_phrase(unknown.name).accelerators
    assert chip.id == unknown.id
    assert isinstance(chip.memory_total_gib, Unknown)
    assert isinstance(chip.memory_free_gib, Unknown)


def test_unified_memory_of_other_chips_is_the_hosts():
    machine = machine_from_phrase("DGX Spark")
    (chip,) = machine.accelerators
    assert chip.kind == "integrated"
    assert machine.host.memory_total_gib == chip.memory_total_gib


def test_npu_is_no_gpu():
    assert machine_from_phrase("Ascend 910B").accelerators[0].kind == "npu"


def test_several_unified_chips_are_several_computers():
    machine = machine_from_phrase("2x M3 Ultra 256GB")
    assert value_of(machine.host.memory_total_gib) == 256
    assert any("computer of its own" in problem.reason for problem in machine.problems)


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("", "hardware:1:1: error: the hardware phrase is empty"),
        ("   ", "the hardware phrase is empty"),
        ("2x H100 + ", "hardware:1:11: error: a term is missing"),
        ("+", "a term is missing"),
        ("3x Banana 9000", 'hardware:1:1: error: "3x Banana 9000": "Banana 9000" is not an accelerator'),
        ("H100 + 3x Banana 9000", "hardware:1:8: error:"),
        ("RTX 5095", 'did you mean "rtx-5090"?'),
        ("0x H100", "the count must be from 1 to 1,024"),
        ("-1x H100", 'the count must be a whole number from 1, not "-1"'),
        ("1.5x H100", 'not "1.5"'),
        ("1000000x H100", "the count must be from 1 to 1,024"),
        (f"{'9' * 300}x H100", "the count must be from 1 to 1,024"),
        ("1000x H100 + 25x H200", "the phrase has 1,025 cards; the limit is 1,024"),
        ("H100 x8", 'write the count first: "8x H100"'),
        ("8 H100", 'write the count first: "8x H100"'),
        ("cpu", "the host's memory is missing"),
        ("cpu 16 cores", "the host's memory is missing"),
        ("16 cores", "the host's memory is missing"),
        ("cpu 32", 'cannot read "32"'),
        ("cpu 64GB fast", 'cannot read "fast"'),
        ("cpu 0GB", "host memory must be more than 0"),
        ("cpu -4GB", "host memory must be more than 0"),
        ("cpu 99999TB", "at most 65,536 GB"),
        ("cpu 32XB", 'unknown memory unit "XB"'),
        ("cpu 32GB 0 cores", "the number of cores must be from 1"),
        ("cpu 32GB -2 cores", "the number of cores must be from 1"),
        ("2x cpu 32GB", "the host takes no count"),
        ("cpu 32GB + 64GB RAM", 'hardware:1:12: error: "64GB RAM": the host is described twice'),
        ("64GB", "memory of what?"),
        ("none + H100", "stands alone"),
        ("H100 40GB", "the catalogue has 80 GB (h100-sxm), 80 GB (h100-pcie), 94 GB (h100-nvl)"),
        ("RTX 4090 48GB", "the catalogue has 24 GB (rtx-4090)"),
        ("H100 -80GB", "a card has more than -80 GB"),
        ("H100 80XB", 'unknown memory unit "XB"'),
        ("H200 PCIe", '"H200 PCIe" is not an accelerator'),
        (
            "1x H100 MIG 1g.10gb",
            '"1x H100 MIG 1g.10gb": a phrase names whole cards; a MIG slice is read by the probe',
        ),
        ("A100 3g.20gb", '"A100 3g.20gb": a phrase names whole cards'),
        ("MI250X 128GB", "the catalogue has 64 GB (mi250x)"),
        ("M3 Max 256GB", "is sold with up to 128 GB"),
        ("M3 Max 0.5GB", "is sold with up to 128 GB"),
        ("M3 Max + H100", "takes no other accelerator"),
        ("M3 Max 64GB + cpu 64GB", "is the host's memory"),
        ("4x H300", '"4x H300": "H300" is not an accelerator in the catalogue; did you mean "h800"?'),
        ("9999x p5.48xlarge", '"9999x p5.48xlarge": the count must be from 1 to 1,024'),
        ("p5.48xlarge x2", 'the number of machines stands first; write "2x p5.48xlarge"'),
        ("2 a3-highgpu-8g", 'the number of machines stands first; write "2x a3-highgpu-8g"'),
        ("2 nodes of 2x p5.48xlarge", "the number of machines is said twice"),
        ("0 nodes of 8x H100", "the number of machines must be from 1 to 1,024"),
        ("1.5 nodes of 8x H100", 'the number of machines must be a whole number from 1, not "1.5"'),
        ("512 nodes of 8x H100", "the phrase has 4,096 cards; the limit is 1,024"),
        ("2 nodes of cpu 64GB", "several machines work together with their accelerators, and these have none"),
        ("2 nodes of none", "several machines work together with their accelerators, and these have none"),
        ("8x H100 on 2 nodes", 'write them first: "2 nodes of 8x H100"'),
        ("8x H100, 2 machines", 'write them first: "2 nodes of 8x H100"'),
        ("2 nodes of 8x H300", '"8x H300": "H300" is not an accelerator in the catalogue'),
        ("n3-H100x8 x2", 'write "2x n3-H100x8"'),
        (
            "p5.48xlarge + cpu 64GB",
            'hardware:1:1: error: "p5.48xlarge": an instance type is a whole machine and stands alone',
        ),
        ("H100 + gcp a3-highgpu-8g", 'hardware:1:8: error: "gcp a3-highgpu-8g": an instance type is a whole machine'),
        ("p5.48xlarge + p5.48xlarge", "stands alone, not beside other terms"),
        ("p5.48xlarge + none", "stands alone"),
        ("p5.48xlarg", '"p5.48xlarg" is not an instance type in the catalogue; did you mean "p5.48xlarge"?'),
        (
            "aws p5.49xlarge",
            '"aws p5.49xlarge" is not an instance type in the catalogue; did you mean "aws p5.4xlarge"?',
        ),
        ("2x p5.48xlarg", '"2x p5.48xlarg": "p5.48xlarg" is not an instance type in the catalogue; did you mean'),
        ("H100 + Standard_NC48ads_A100_v5", "hardware:1:8: error:"),
        ("gpu 1x a10", "is not an instance type"),
        ("H100\x00", "cannot be printed"),
        ("x" * (MAX_PHRASE_CHARS + 1), "the limit is 400"),
    ],
)
def test_error_names_the_term_and_the_place(phrase: str, expected: str):
    with pytest.raises(HardwareError) as caught:
        machine_from_phrase(phrase)
    assert expected in str(caught.value)
    assert str(caught.value).startswith("hardware:1:")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


SEVERAL = [
    ("2 nodes of 8x H100", 2, 8),
    ("2x 8x H100", 2, 8),
    ("2 × 8 × H100", 2, 8),
    ("2*8*H100", 2, 8),
    ("3 machines with 4x A100 + cpu 512GB", 3, 4),
    ("2 x servers of 1x H100", 2, 1),
    ("2 nodes H100", 2, 1),
    ("2 台 8x H100", 2, 8),
    ("2台，每台 8x H100", 2, 8),
    ("2 个节点，每个 8x H100", 2, 8),
    ("2 个节点 8x H100", 2, 8),
    ("4台服务器，每台 8x H100", 4, 8),
    ("2x p5.48xlarge", 2, 8),
    ("2 nodes of aws p5.48xlarge", 2, 8),
    ("1 node of 8x H100", 1, 8),
    ("8x H100", 1, 8),
]


@pytest.mark.parametrize(("phrase", "nodes", "cards"), SEVERAL)
def test_several_machines_are_one_described_and_their_number(phrase: str, nodes: int, cards: int):
    machine = machine_from_phrase(phrase)
    assert (machine.nodes, len(machine.accelerators)) == (nodes, cards)
    assert machine.description == phrase
    assert [card.index for card in machine.accelerators] == list(range(cards))


def test_an_error_after_the_number_of_machines_names_its_place():
    with pytest.raises(HardwareError) as caught:
        machine_from_phrase("2 nodes of 8x H100 + cpu")
    assert str(caught.value).startswith("hardware:1:22:")


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("16x H100", "2 nodes of 8x NVIDIA H100 SXM5 80GB"),
        ("9x L40", "2 nodes of 8x NVIDIA L40"),
        ("16x A100 40GB", None),
        ("8x H100", None),
        ("2x 8x H100", None),
    ],
)
def test_more_cards_than_any_machine_has_are_doubted(phrase: str, said: str | None):
    found = [problem.remedy or "" for problem in machine_from_phrase(phrase).problems]
    assert found == ([] if said is None else [f'several machines are written as "{said}"'])
    assert said is None or machine_from_phrase(said).nodes == 2


COUNTS = ("8x", "0x", "-1x", "2", "×", "*", "x", "1e9", "(", ")", ",", "+", "\n", "\t", "é", "四")
HOSTS = (
    "nodes of",
    "machines",
    "台",
    "cpu",
    "ram",
    "none",
    "RAM",
    "64GB",
    "80",
    "GB",
    "999999TB",
    "16",
    "cores",
    ".yaml",
)
NAMES = ("H100", "A100", "40GB", "PCIe", "SXM", "M3", "Max", "GB10", "RTX", "4090")
WORDS = st.sampled_from((*COUNTS, *HOSTS, *NAMES))


@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=12).map(" ".join)))
@settings(max_examples=300, deadline=None)
@example("7900 XTX")
@example("²x H100")
@example("٣x H100")
@example("1x 1x H100")
def test_any_text_is_a_machine_or_a_hardware_error(text: str):
    try:
        machine = machine_from_phrase(text)
    except HardwareError:
        pass
    else:
        readings = [
            reading for card in machine.accelerators for reading in (card.memory_total_gib, card.memory_free_gib)
        ]
        assert all(value_of(reading) != 0 for reading in readings)


@pytest.mark.parametrize("gpu", KNOWN, ids=lambda gpu: gpu.id)
@pytest.mark.parametrize("count", [1, 3])
def test_every_catalogue_name_is_a_phrase(gpu, count: int):
    machine = machine_from_phrase(f"{count}x {gpu.name}")
    assert [card.id for card in machine.accelerators] == [gpu.id] * count
    assert [card.index for card in machine.accelerators] == list(range(count))
    assert all(value_of(card.memory_total_gib) for card in machine.accelerators)


@pytest.mark.parametrize("gpu", gpus().values(), ids=lambda gpu: gpu.id)
def test_every_alias_and_id_is_a_phrase(gpu):
    for name in (gpu.id, *gpu.aliases):
        assert ids(f"2x {name}") == [gpu.id] * 2, name


# Instance types of clouds


def test_an_instance_type_is_a_whole_machine():
    machine = machine_from_phrase(" aws p5.48xlarge ")
    source = "aws p5.48xlarge: github.com/aws/karpenter-provider-aws@"
    assert machine.description == "aws p5.48xlarge"
    assert ids("aws p5.48xlarge") == ["h100-sxm"] * 8
    assert (value_of(machine.host.cores), value_of(machine.host.memory_total_gib)) == (192, 2048)
    assert value_of(machine.host.memory_available_gib) == 2048
    assert value_of(machine.host.os) == "linux"
    assert machine.host.cores.source.startswith(source)
    assert machine.host.memory_total_gib.source.startswith(source)
    assert {value_of(card.compute_capability) for card in machine.accelerators} == {"9.0"}


def test_what_a_type_does_not_say_is_unknown():
    host = machine_from_phrase("p5.48xlarge").host
    unsaid = Unknown(unknown="the catalogue does not say it of p5.48xlarge")
    assert (host.arch, host.cpu_model, host.container, host.disk_free_gib) == (unsaid,) * 4


def test_memory_that_sources_contradict_each_other_on_is_unknown():
    host = machine_from_phrase("n3-H100-SXM5x8").host
    unread = Unknown(unknown="the catalogue does not know it of n3-H100-SXM5x8")
    assert (host.memory_total_gib, host.memory_available_gib) == (unread, unread)
    assert value_of(host.cores) == 192


@pytest.mark.parametrize(
    "phrase",
    [
        "Standard_ND96isr_H100_v5",
        "azure ND96isr_H100_v5",
        "AZURE standard_nd96isr_h100_V5",
        "a3-highgpu-8g",
        "gcp a3-highgpu-8g",
        "GCP A3-HighGPU-8g",
        "p5.48xlarge",
    ],
)
def test_ways_to_write_eight_h100(phrase: str):
    assert cards_without_source(phrase) == cards_without_source("8x H100")


def cards_without_source(phrase: str) -> list[dict[str, object]]:
    return [without_source(card) for card in machine_from_phrase(phrase).accelerators]


def without_source(card: Accelerator) -> dict[str, object]:
    readings = card.model_dump(exclude={"index"}).items()
    return {name: value.get("value", "unknown") if isinstance(value, dict) else value for name, value in readings}


@pytest.mark.parametrize("entry", instances().values(), ids=lambda entry: entry.id)
def test_every_type_is_the_machine_of_its_cards(entry: Instance):
    expected = cards_without_source(f"{entry.gpus}x {gpus()[entry.gpu].name}")
    for phrase in (entry.id, entry.id.upper(), f"{entry.cloud} {entry.id}", *entry.aliases):
        machine = machine_from_phrase(phrase)
        assert [card.index for card in machine.accelerators] == list(range(entry.gpus))
        assert [without_source(card) for card in machine.accelerators] == expected, phrase
        assert value_of(machine.host.cores) == entry.vcpus
        assert value_of(machine.host.memory_total_gib) == entry.memory_gib
        assert Machine.model_validate(machine.model_dump(mode="json")) == machine


@given(st.sampled_from(sorted(instances())), st.data())
@settings(max_examples=100, deadline=None)
def test_the_case_of_no_letter_counts(name: str, data: st.DataObject):
    upper = data.draw(st.lists(st.booleans(), min_size=len(name), max_size=len(name)))
    written = "".join(letter.upper() if up else letter.lower() for letter, up in zip(name, upper, strict=True))
    assert cards_without_source(written) == cards_without_source(name)


@pytest.mark.parametrize("phrase", ["8x H200", "2x A100 80GB + cpu 256GB", "M3 Max 64GB", "cpu 32GB", "none"])
def test_the_list_of_types_is_not_read_for_other_phrases(phrase: str, monkeypatch: pytest.MonkeyPatch):
    def read(name: str, kind: type) -> None:
        raise AssertionError(f"{phrase} needs no {name}")

    instances.cache_clear()
    monkeypatch.setattr("deployadvisor.catalog.instances.load_entries", read)
    machine_from_phrase(phrase)


@given(st.sampled_from(sorted({label for gpu in gpus().values() for label in (gpu.name, *gpu.aliases)})), st.data())
@settings(max_examples=300, deadline=None)
def test_a_misspelt_card_gets_the_answer_about_cards(name: str, data: st.DataObject):
    at = data.draw(st.integers(0, len(name) - 1))
    letter = data.draw(st.sampled_from(["", "x", "0"]))
    assert "instance type" not in answer_to(f"4x {name[:at]}{letter}{name[at + 1 :]}")


@pytest.mark.parametrize("phrase", ["RTXA6000 48GB", "RTX A400x 16GB", "RTX 4000 8GB"])
def test_a_card_is_a_little_like_a_type_that_holds_its_name(phrase: str):
    assert "is not an accelerator" in answer_to(phrase)


def answer_to(phrase: str) -> str:
    try:
        return machine_from_phrase(phrase).description
    except HardwareError as error:
        return error.message


def test_a_type_is_sized_like_its_cards():
    rented = estimate("Qwen/Qwen2.5-72B-Instruct", "azure Standard_NC96ads_A100_v4")
    phrased = estimate("Qwen/Qwen2.5-72B-Instruct", "4x A100 80GB PCIe")
    assert rented.fit == phrased.fit


def test_a_type_is_advised_on_like_its_cards():
    question = {"data_sensitivity": "restricted", "requests_per_day": 50_000, "purpose": "production"}
    rented = recommend(**question, hardware="p5.48xlarge")
    phrased = recommend(**question, hardware="8x H100")
    assert (rented.status, rented.route, rented.engine) == (phrased.status, phrased.route, phrased.engine)
    assert rented.engine == "vllm"
    assert rented.plan.gpus == phrased.plan.gpus


# resolve_hardware


UNKNOWN = Unknown(unknown="test")
PROBED = Machine(
    description="probe",
    host=Host(
        os=UNKNOWN,
        arch=UNKNOWN,
        cpu_model=UNKNOWN,
        cores=UNKNOWN,
        memory_total_gib=UNKNOWN,
        memory_available_gib=UNKNOWN,
        container=UNKNOWN,
        disk_free_gib=UNKNOWN,
    ),
)


def no_probe() -> Machine:
    raise AssertionError("nothing asked for a probe")


@pytest.mark.parametrize("value", [None, "probe", " Probe "])
def test_probe_is_the_default(value: str | None):
    assert resolve_hardware(value, lambda: PROBED) is PROBED


def test_a_machine_is_itself():
    assert resolve_hardware(PROBED, no_probe) is PROBED


def test_a_phrase_is_read():
    assert len(resolve_hardware("2x H100", no_probe).accelerators) == 2


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".json"])
def test_a_saved_machine_is_read_back(suffix: str, tmp_path):
    path = tmp_path / f"machine{suffix}"
    machine = machine_from_phrase("2x A100 80GB + cpu 256GB 32 cores")
    save_machine(machine, path)
    assert resolve_hardware(str(path), no_probe) == machine.model_copy(update={"description": str(path)})


@pytest.mark.parametrize(
    "value", ["gone.yaml", "gone.json", "./gone", "/gone/machine", "~/gone", "~nobody-here/gone.yml"]
)
def test_a_missing_file_is_named(value: str):
    with pytest.raises(HardwareError, match=r"no such file|ends in \.yaml") as caught:
        resolve_hardware(value, no_probe)
    assert str(caught.value).startswith(value)
    assert "deployadvisor probe --save" in str(caught.value)


@pytest.mark.parametrize("value", ["/\x00.yaml", "x" * 10_000 + ".yaml", "", "~\x00.json"])
def test_hostile_values_are_user_errors(value: str):
    with pytest.raises(DeployAdvisorError):
        resolve_hardware(value, no_probe)
