"""Reported cases 1 to 14 and 23 to 41 as replays: slices, GB10, Jetson, WSL, containers, drivers, several cards.

Each test is named after its case and says in its first line what went wrong elsewhere, and where it was reported.
"""

from __future__ import annotations

from typing import Any

import pytest

from deployadvisor import recommend
from deployadvisor.catalog.gpus import find_gpu
from deployadvisor.estimation import Estimate, Work, estimate
from deployadvisor.hardware.machine import Accelerator, Host, Known, Machine, Number, Unknown, value_of
from deployadvisor.hardware.recording import RecordedSystem
from deployadvisor.sizing.budget import budget
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.kv_cache import kv_cache
from deployadvisor.sizing.memory import Fit
from deployadvisor.sizing.parallel import Wanted
from deployadvisor.sizing.policy import engine_policy
from deployadvisor.verdict import named_model

from .replay import changed, machine_names, probe_of, recording, replay

GIB = pytest.approx
SMI = "nvidia-smi -q -x"
LONG = Work(31_000, 1_000, 8)


def totals(machine: Machine) -> list[float | None]:
    return [value_of(card.memory_total_gib) for card in machine.accelerators]


def visible(machine: Machine) -> list[int]:
    return [card.index for card in machine.accelerators if card.visible]


def only(machine: Machine) -> Accelerator:
    (card,) = machine.accelerators
    return card


def source(reading: Number) -> str:
    assert isinstance(reading, Known)
    return reading.source


def reasons(machine: Machine, what: str = "") -> str:
    return " | ".join(f"{problem.reason}; {problem.remedy}" for problem in machine.problems if what in problem.what)


def users(card: Accelerator) -> dict[str, float | None]:
    assert isinstance(card.used_by, Known)
    return {use.who: value_of(use.memory_gib) for use in card.used_by.value}


def sized(name: str, model: str, **how: Any) -> Estimate:
    return estimate(model, replay(name), **how)


def placed(found: Estimate) -> Fit:
    assert found.fit is not None, found.reason
    return found.fit


def kv_gib(found: Estimate) -> float:
    return next(term.gib for term in placed(found).terms if term.name == "kv_cache")


def printed(name: str, old: str, new: str) -> Machine:
    """The machine with other words in nvidia-smi's answer."""
    answer = recording(name).commands[SMI]
    assert old in answer.out
    return probe_of(changed(name, commands={SMI: {"out": answer.out.replace(old, new), "code": answer.code}}))


# Slices


def test_case_01_mig_shows_the_slice_and_not_the_card():
    """NVML gave 141 GB of an H200 for a slice of 16 GB (vllm#39874)."""
    assert totals(replay("mig-slice")) == [16.0]


def test_case_02_mig_card_that_may_not_be_read_is_not_zero():
    """The card said "Insufficient Permissions", which became 0 and cost 28 to 53 % of throughput (vllm#55381)."""
    machine = replay("mig-container-slice")
    assert (totals(machine), machine.problems) == ([32.5], ())
    by_program = replay("mig-by-program")
    assert totals(by_program) == [19.5, 9.5]
    assert [card.kind for card in by_program.accelerators] == ["mig", "mig"]
    assert "Insufficient" not in reasons(by_program)
    assert users(by_program.accelerators[0])["python3 (4711)"] == 4.0


def test_case_03_mig_profile_is_rounded_up_and_the_memory_is_not():
    """A "1g.18gb" slice has 16 GiB, and tests that asked for 18 failed (vllm#42467)."""
    card = only(replay("mig-slice"))
    assert (value_of(card.mig_profile), value_of(card.memory_total_gib)) == ("1g.18gb", 16.0)


@pytest.mark.parametrize(("value", "expected"), [("1", [2]), ("0", [0]), ("0,1", [0, 2])])
def test_case_04_mig_numbers_in_the_list_are_those_of_cards(value: str, expected: list[int]):
    """Numbers of slices and of cards were mixed up (gpustack#2758)."""
    machine = replay("mig-beside-whole-card", CUDA_VISIBLE_DEVICES=value)
    assert [card.card for card in machine.accelerators] == [0, 0, None]
    assert visible(machine) == expected
    assert totals(machine) == [GIB(39.375), GIB(19.375), 80.0]


# Memory shared with the host


@pytest.mark.parametrize("name", ["gb10-not-supported", "gb10-busy"])
def test_case_05_gb10_without_a_figure_has_the_memory_of_the_host(name: str):
    """N/A broke a monitor, counted as unknown, or as 0 GB (nvtop#411, gpustat#179, ArcticTraining#345)."""
    machine = replay(name)
    card = only(machine)
    assert (card.id, card.unified_memory) == ("gb10", True)
    assert value_of(card.memory_total_gib) == value_of(machine.host.memory_total_gib)
    assert source(card.memory_total_gib) == "unified with the host: /proc/meminfo MemTotal"


def test_case_06_gb10_whose_driver_answers_is_read_the_same_way():
    """One driver says NOT_SUPPORTED, another the total of the computer (nvitop#208)."""
    answers = replay("gb10-answers-total")
    silent = replay("gb10-answers-total", failing={"nvmlDeviceGetMemoryInfo": 3})
    assert totals(answers) == totals(silent) == [GIB(121.69, abs=0.01)]
    assert value_of(only(answers).memory_free_gib) == value_of(only(silent).memory_free_gib)


def test_case_07_gb10_total_subtracts_what_the_system_uses():
    """121 GB were always shown as there, although others held 60 of them (nvtop#449)."""
    machine = replay("gb10-busy")
    card = only(machine)
    assert value_of(card.memory_free_gib) == value_of(machine.host.memory_available_gib) == GIB(48.83, abs=0.01)
    held = users(card)
    assert held["Xorg (2553)"] == GIB(0.02, abs=0.01)
    assert held["VLLM::EngineCor (415592)"] == GIB(67.93, abs=0.01), "once, although it computes and draws"
    assert held["system, and programs that do not use the GPU"] == GIB(4.91, abs=0.01)
    assert placed(sized("gb10-answers-total", "Qwen/Qwen3-32B", precision="bf16")).fits
    assert not placed(sized("gb10-busy", "Qwen/Qwen3-32B", precision="bf16")).fits


def test_case_08_jetson_is_unified_whatever_its_addressing_mode_says():
    """ "Orin (nvgpu)" with addressing mode N/A was no GPU, or one of its own memory (llmfit#792, whichllm#165)."""
    for name, total in (("jetson-orin-nx-by-program", 15.30), ("jetson-orin", 30.58)):
        card = only(replay(name))
        assert (card.vendor, card.kind, card.unified_memory) == ("nvidia", "integrated", True)
        assert value_of(card.memory_total_gib) == GIB(total, abs=0.01)


@pytest.mark.parametrize("words", ["[N/A]", "N/A", "[Not Supported]", "ERR!", "Unknown Error", "", "-", "nan MiB"])
def test_case_09_jetson_with_words_for_numbers_is_read(words: str):
    """int("[N/A]") raised ValueError (vllm-cli pull request 11)."""
    machine = printed("jetson-orin-nx-by-program", "Not Supported", words)
    assert totals(machine) == [GIB(15.30, abs=0.01)]
    assert "failed" not in reasons(machine)


def test_case_10_a_card_of_its_own_never_has_the_memory_of_the_host():
    """After a fix for unified memory, cards without a figure showed system memory (nvtop#424)."""
    card = only(replay("card-without-memory"))
    assert (card.id, card.kind, card.unified_memory) == ("rtx-4090", "gpu", False)
    assert isinstance(card.memory_total_gib, Unknown)
    grace = only(replay("gh200"))
    assert (grace.unified_memory, value_of(grace.memory_total_gib)) == (False, GIB(95.58, abs=0.01))


# Windows Subsystem for Linux


def test_case_11_wsl_gives_no_memory_of_processes():
    """Memory of each process was N/A and became 0 (nvtop#432)."""
    held = users(only(replay("wsl2")))
    assert held["process 812, which is not seen from here"] is None


def test_case_12_wsl_windows_holds_memory_that_no_process_shows():
    """There were "no running processes", and yet 3.4 GiB were missing (club-3090#1190)."""
    machine = replay("wsl2")
    card = only(machine)
    assert value_of(machine.host.wsl) is True
    assert value_of(card.memory_free_gib) == GIB(20.60, abs=0.01)
    assert users(card)["Windows and its programs, and the driver"] == GIB(3.40, abs=0.01)
    assert placed(sized("wsl2", "Qwen/Qwen3-8B")).memory_share == GIB(0.86, abs=0.011), "not the engine's default"


def test_case_13_wsl_has_no_device_files_of_nvidia():
    """Without /dev/nvidia0 a cluster's start script saw no GPU; WSL has /dev/dxg (slurm-docker-cluster#105)."""
    system = RecordedSystem(recording("wsl2"))
    assert (system.access("/dev/nvidia0"), system.access("/dev/dxg")) == ("absent", "open")
    assert only(replay("wsl2")).id == "rtx-3090"
    assert "install NVIDIA's driver in Windows" in reasons(replay("wsl2-without-driver"))


def test_case_14_wsl_container_sees_no_nvidia_on_its_bus():
    """Without NVIDIA in lspci the card was a "non-NVIDIA GPU" (LocalAI#1893)."""
    files = recording("wsl2-in-container").files
    assert not [path for path, text in files.items() if path.endswith("/vendor") and "10de" in text]
    card = only(replay("wsl2-in-container"))
    assert (card.vendor, card.id, value_of(card.memory_total_gib)) == ("nvidia", "rtx-4090", GIB(23.99, abs=0.01))


# Names, several cards


def test_case_23_workstation_cards_have_the_memory_that_the_driver_says():
    """Five RTX A4000 of 16 GB, and every name that was not listed, were guessed at 8 GB (llmfit#239, #830)."""
    machine = replay("five-a4000")
    assert [card.id for card in machine.accelerators] == ["a4000"] * 5
    assert totals(machine) == [GIB(15.99, abs=0.01)] * 5
    nameless = replay("card-without-a-name")
    assert (only(nameless).id, value_of(only(nameless).memory_total_gib)) == (None, GIB(5.77, abs=0.01))
    assert "no entry for this name" in reasons(nameless, "Graphics Device")


@pytest.mark.parametrize("mib", [2, 80, 81, 512, 1023, 1024, 1998, 24_564, 143_771, 1_000_000])
def test_case_23_workstation_cards_are_read_in_every_size(mib: int):
    """Numbers from 81 to 1023 fell between the guesses of a unit (llm-checker#95)."""
    machine = printed("card-without-a-name", "5912 MiB", f"{mib} MiB")
    assert totals(machine) == [GIB(mib / 1024)]


def test_case_24_two_cards_are_not_summed_onto_each():
    """Each of two cards was given the memory of both (llm-checker#2)."""
    assert totals(replay("two-unequal-cards")) == [24.0, 12.0]
    found = sized("two-unequal-cards", "Qwen/Qwen3-14B", precision="bf16")
    assert not placed(found).fits, "27.5 GiB of weights are less than the sum, 36"


def test_case_25_several_cards_are_no_pool():
    """The sum over all cards decided, not what one model can have (llmfit#46)."""
    machine = replay("rtx-3090-and-two-3060")
    assert totals(machine) == [24.0, 12.0, 12.0]
    found = sized(
        "rtx-3090-and-two-3060", "meta-llama/Llama-3.3-70B-Instruct", engine="llama_cpp", precision="q4_k_m"
    )
    assert (found.asked.cards.id, found.asked.cards.count, placed(found).fits) == ("rtx-3090", 1, False)


def test_case_26_unequal_cards_are_not_joined():
    """Tensor parallelism over unequal cards ran out of memory on the smallest (vllm#2317, #4998; ollama#10113)."""
    found = sized("rtx-3090-and-two-3060", "Qwen/Qwen3-32B", precision="int4")
    assert (placed(found).fits, placed(found).cards) == (True, 1)
    assert any("stay idle: unequal cards are not pooled" in note for note in found.notes)
    forced = sized("rtx-3090-and-two-3060", "Qwen/Qwen3-32B", precision="int4", wanted=Wanted(tensor=3))
    assert not placed(forced).fits


@pytest.mark.parametrize(
    ("name", "model", "tensor", "heads"),
    [
        ("a100-pcie-x8", "Qwen/Qwen2.5-7B-Instruct", 8, 28),
        ("five-a4000", "Qwen/Qwen3-14B", 3, 40),
        ("five-a4000", "Qwen/Qwen2.5-7B-Instruct", 5, 28),
    ],
)
def test_case_27_heads_must_divide_over_the_cards(name: str, model: str, tensor: int, heads: int):
    """28 heads on 8 cards, 40 or 52 on 3 ended when the engine started (vllm#11797, #596, #414)."""
    found = sized(name, model, precision="bf16", wanted=Wanted(tensor=tensor))
    assert f"tensor parallel {tensor} does not divide the {heads} attention heads" in found.reason


def test_case_28_kv_heads_are_repeated_beyond_their_number():
    """Four KV heads on eight cards were divided into halves (tenstorrent/vllm#50, transformers#48307)."""
    model = named_model("Qwen/Qwen3-30B-A3B")
    assert model.num_key_value_heads == 4
    on_card = {
        tensor: kv_gib(sized("a100-pcie-x8", model.id, precision="bf16", wanted=Wanted(tensor=tensor), work=LONG))
        for tensor in (2, 4, 8)
    }
    assert on_card[4] == GIB(on_card[2] / 2)
    assert on_card[8] == GIB(on_card[4])


def test_case_29_latent_rows_lie_on_every_card():
    """The latent cache was divided by tensor parallelism (tt-xla#5849)."""
    cache = kv_cache(geometry_of(named_model("deepseek-ai/DeepSeek-V3")))
    assert not isinstance(cache, Unknown)
    rows = 32_000 * 8 * 61 * 576 * 2 / 2**30
    assert kv_gib(sized("h100-x8", "deepseek-ai/DeepSeek-V3", wanted=Wanted(tensor=8), work=LONG)) == GIB(rows)


# Cards that are not idle


def test_case_30_others_on_the_card_are_named():
    """An engine did not start because a process, or a zombie, held the card (vllm#20305, #50135; vllm-omni#276)."""
    card = only(replay("zombie-holds-card"))
    held = users(card)
    assert held["process 31337, which is not seen from here"] == GIB(59.57, abs=0.01)
    assert held["driver, and what it shows to nobody"] == GIB(0.59, abs=0.01)
    assert value_of(card.memory_free_gib) == GIB(19.49, abs=0.01)
    assert not placed(sized("zombie-holds-card", "Qwen/Qwen3-32B", precision="bf16")).fits


def test_case_31_free_memory_decides_and_not_the_total():
    """A 14B model was "good" for a card of which 1 GiB was free (llmfit#835)."""
    busy, idle = (
        sized(name, "Qwen/Qwen3-14B", engine="llama_cpp") for name in ("busy-card", "rtx-4090-with-display")
    )
    assert (placed(busy).fits, placed(idle).fits) == (False, True)


def test_case_32_an_almost_idle_card_gets_a_share_that_is_free():
    """19.77 of 22.05 GiB were free, nine tenths are 19.84, and the engine refused to start (pytorch#175666)."""
    fit = placed(sized("l4-almost-idle", "Qwen/Qwen3-8B", precision="fp8"))
    cuda_gib = find_gpu("L4").cuda_gib
    assert cuda_gib is not None
    assert fit.memory_share is not None
    assert fit.fits
    assert fit.memory_share * cuda_gib <= 19.77 < 0.9 * cuda_gib


def test_case_33_two_equal_cards_differ_by_what_a_desktop_holds():
    """Two rigs with the same card and command differed by 1.92 GiB of cache (club-3090#32)."""
    bare, desktop = replay("rtx-3090-headless"), replay("rtx-3090-with-display")
    free = [value_of(only(machine).memory_free_gib) or 0.0 for machine in (bare, desktop)]
    assert free[0] - free[1] == GIB(1.92, abs=0.01)
    assert users(only(desktop))["Xorg (1676)"] == GIB(1.21, abs=0.01)
    assert (value_of(only(bare).display_attached), value_of(only(desktop).display_attached)) == (False, True)
    in_use = [in_use_gib(machine) for machine in (bare, desktop)]
    assert in_use == [0.0, GIB(1.75, abs=0.01)], "0.17 GiB of what is free on the idle card are not handed out"


def in_use_gib(machine: Machine) -> float:
    found = estimate("Qwen/Qwen3-8B", machine, precision="bf16").asked
    held = budget(engine_policy(found.engine), found.cards)
    assert not isinstance(held, Unknown)
    return next(term.gib for term in held.held_back if term.name == "in_use")


# Memory of the host


def host_gib(name: str) -> tuple[float | None, float | None]:
    host: Host = replay(name).host
    return value_of(host.memory_total_gib), value_of(host.memory_available_gib)


def test_case_34_page_cache_is_not_used_memory():
    """The limit less all usage left 0.45 of 70 GiB, of which files filled 67 (ollama#15474, #11497)."""
    assert host_gib("container-page-cache") == (70.0, GIB(67.25, abs=0.01))
    assert host_gib("cgroup-v1-page-cache") == (16.0, GIB(14.06, abs=0.01))


def test_case_35_no_limit_is_not_what_is_in_use():
    """memory.max said "max", and mapped model files left 3.7 of 32 GiB (ollama#15961)."""
    assert host_gib("lxc-memory-max") == (32.0, 30.0)


def test_case_36_a_pod_has_its_own_memory_and_cores():
    """Threads and layers were chosen for the server and not for the pod (ollama#10292)."""
    assert host_gib("limited-pod") == (GIB(83.82, abs=0.01), GIB(75.90, abs=0.01))
    assert value_of(replay("limited-pod").host.cores) == 6.0


# Drivers


@pytest.mark.parametrize("name", ["driver-library-mismatch", "driver-library-mismatch-by-program"])
def test_case_37_a_mismatched_driver_is_said_and_its_card_stays(name: str):
    """After an upgrade of the driver everything ran on the processor, silently (nvidia-container-toolkit#171)."""
    machine = replay(name)
    assert isinstance(only(machine).memory_total_gib, Unknown)
    assert "different versions" in reasons(machine)
    assert "reboot" in reasons(machine)
    advice = recommend(data_sensitivity="confidential", hardware=machine)
    assert any("different versions" in warning and "reboot" in warning for warning in advice.warnings)


def test_case_37_a_mismatched_driver_names_both_versions():
    """nvidia-smi ends with status 18 and says one version, the kernel knows the other (gputil#55)."""
    said = reasons(replay("driver-library-mismatch-by-program"))
    assert "NVML library version: 535.161" in said
    assert "the module has 535.154.05" in said


def test_case_38_an_older_libcuda_before_the_drivers_is_told():
    """nvidia-smi worked and CUDA failed with error 803: the image's own libcuda came first (gpustack#4678)."""
    said = reasons(replay("compat-library-shadows"), "CUDA")
    assert "/usr/local/cuda-12.9/compat holds libcuda 575.57.08, older than the driver 580.126.09" in said
    assert "error 803" in said
    newer = changed("compat-library-shadows", folders={"/usr/local/cuda-12.9/compat": ["libcuda.so.590.44.01"]})
    assert probe_of(newer).problems == ()


def test_case_39_a_driver_that_is_too_old_is_said():
    """The engine ended with a message of CUDA about a driver of 2021 (vllm#1772, #1907)."""
    found = sized("old-driver", "Qwen/Qwen3-8B")
    assert "needs NVIDIA driver" in found.reason
    assert "470.57.02 is installed" in found.reason


@pytest.mark.parametrize("name", ["vgpu", "vgpu-with-refusals", "vgpu-by-program"])
def test_case_40_a_share_of_a_card_is_read_although_much_is_refused(name: str):
    """Questions that a guest may not ask ended the program (TensorRT-LLM#1861, vllm#5328)."""
    machine = replay(name)
    card = only(machine)
    assert (card.kind, value_of(card.memory_total_gib)) == ("vgpu", 20.0)
    assert "failed" not in reasons(machine)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("visible-uuid", "GPU-1", [1]),
        ("only-nvidia-smi", "GPU-00000000-0000-0000-0000-000000000001", [0]),
        ("mig-by-program", "MIG-00000000-0000-0000-0000-00000000000b", [1]),
        ("mig-container-slice", "MIG-00000000-0000-0000-0000-00000000000a", [0]),
        ("visible-uuid", "GPU-9", []),
    ],
)
def test_case_41_uuids_in_the_list_name_their_cards(name: str, value: str, expected: list[int]):
    """A UUID where a number was expected ended the program (pytorch#90543)."""
    assert visible(replay(name, CUDA_VISIBLE_DEVICES=value)) == expected


def test_case_41_uuids_that_nobody_tells_hide_nothing():
    """Where the program lists no slices, the list cannot be followed: all stay, and it is said (pytorch#90543)."""
    machine = probe_of(changed("mig-by-program", commands={"nvidia-smi -L": {"err": "failed", "code": 9}}))
    assert visible(machine) == [0, 1]
    assert "the UUIDs of 2 were not told" in reasons(machine, "CUDA_VISIBLE_DEVICES")


def test_machines_say_what_they_are_modelled_on():
    for name in machine_names():
        assert recording(name).about
        assert recording(name).basis
