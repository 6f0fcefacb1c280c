"""The data of the ``tune`` target: the recipe that its scripts read, and examples of the training format.

The scripts themselves hold no values of the answer; what is decided stands in ``recipe.json``.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from deployadvisor.catalog.engines import PlanField
from deployadvisor.documents import read
from deployadvisor.render.loaded import is_carried
from deployadvisor.render.view import View
from deployadvisor.render.weights import CARRIED
from deployadvisor.resources import display_path, templates_folder

Data = dict[str, Any]

_EXAMPLES_ZH = (
    ("你是自行车店的客服。", "你们修电动自行车吗？", "修。各品牌的机械部分都修，电机只修博世和禧玛诺。"),
    ("你是自行车店的客服。", "星期六几点开门？", "星期六十点到十六点营业。"),
)
_EXAMPLES = (
    (
        "You answer customers of a bicycle shop.",
        "Do you repair electric bikes?",
        "Yes. We repair the mechanics of every make and the drives of Bosch and Shimano.",
    ),
    (
        "You answer customers of a bicycle shop.",
        "When are you open on Saturday?",
        "On Saturday we are open from 10 to 16.",
    ),
)


def recipe(view: View) -> Data:
    """What ``train.py`` and ``merge.py`` read; every value may be changed there."""
    plan = view.advice.plan
    full = view.advice.profile.get("customization") == "full_tuning"
    return {
        "model": _base(view),
        "method": "full" if full else "lora",
        "trust_remote_code": plan.trust_remote_code,
        **_starting_values(view),
    }


def _base(view: View) -> str:
    """What is trained: a model by its name, or what was carried to a machine without internet."""
    carried = (view.air_gapped or is_carried(view)) and view.source.origin == "hub"
    return f"../{PurePosixPath(CARRIED).name}" if carried else view.base_weights.name


def _starting_values(view: View) -> Data:
    """Values of ``recipe.yaml``; the rank is the one that the serving engine was sized for, where it was."""
    path = templates_folder() / "tune" / "recipe.yaml"
    values: Data = dict(read(path, display_path(path)).value)
    rank = _flag_value(view, "lora_rank")
    return values if rank is None else {**values, "lora": {**values["lora"], "rank": int(rank)}}


def _flag_value(view: View, field: PlanField) -> str | None:
    option = view.engine.flags.get(field)
    flags = view.advice.plan.flags
    names = option.names if option else ()
    return next((value for flag, value in pairwise(flags) if flag in names), None)


def examples(view: View) -> list[Data]:
    """Two conversations in the format of ``data/train.jsonl``."""
    return [
        {
            "messages": [
                {"role": "system", "content": system},
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ]
        }
        for system, question, answer in (_EXAMPLES_ZH if view.advice.lang == "zh" else _EXAMPLES)
    ]
