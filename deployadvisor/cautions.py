"""What to mind before acting on an answer: what was not read, licences, assumptions behind gates, idle cards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from deployadvisor.catalog.engines import engines
from deployadvisor.compatibility import Assessment
from deployadvisor.driver_gate import build_for, installed, needed
from deployadvisor.plan import Planned
from deployadvisor.site import cards_of_a_node, left_alone
from deployadvisor.sizing.cards import Cards
from deployadvisor.verdict import Verdict

_GATES = ("its_model", "its_gpu", "its_driver")


@dataclass(frozen=True)
class Cautions:
    """The warnings of one answer, in a language. Problems of the probe stay as the probe says them."""

    verdict: Verdict
    planned: Planned
    lang: str

    def all(self) -> Iterator[str]:
        """Every warning, those on the machine first."""
        for problem in self.verdict.machine.problems:
            yield f"{problem.what}: {problem.reason}" + (f" ({problem.remedy})" if problem.remedy else "")
        yield from self._of_the_provider()
        chosen = self.planned.role.chosen if self.planned.role else None
        if chosen is not None:
            yield from self._of_the_model(chosen)
            yield from self._shorter_than_wanted()
            yield from self._of_the_engine(chosen)
            if chosen.cards and self.planned.plan.gpus:
                yield from self._of_the_cards(chosen.cards)

    def _words(self, english: str, chinese: str) -> str:
        return chinese if self._chinese else english

    @cached_property
    def _chinese(self) -> bool:
        return self.lang == "zh"

    def _of_the_provider(self) -> Iterator[str]:
        wanted, provider = self.verdict.profile.model, self.planned.provider
        hosted = self.planned.plan.hosted_model
        if provider and wanted:
            yield self._words(
                f"{wanted} was named; {provider} is planned with its own {hosted or 'model of your choice'}",
                f"指定了 {wanted}；方案使用 {provider} 自己的{f' {hosted}' if hosted else '模型，由你选择'}",
            )

    def _of_the_model(self, chosen: Assessment) -> Iterator[str]:
        model, quality = chosen.model, self.verdict.profile.answered("quality")
        if self.verdict.profile.model is None and quality not in (None, model.quality):
            yield self._words(
                f"quality {quality} was wanted; {model.id} is of class {model.quality or 'unknown'}",
                f"要求的 quality 为 {quality}；{model.id} 的等级为 {model.quality or '未知'}",
            )
        if model.commercial_use != "yes":
            note = self._words(": ", "：") + model.licence_note if model.licence_note else ""
            yield self._words(
                f"{model.id}: commercial use {model.commercial_use}, licence {model.licence}{note}",
                f"{model.id}：商用 {model.commercial_use}，许可证 {model.licence}{note}",
            )
        if model.trust_remote_code:
            yield self._words(
                f"{model.id} runs code from its repository (trust_remote_code); review and pin it",
                f"{model.id} 会运行其仓库中的代码（trust_remote_code）；请先审查并锁定版本",
            )

    def _shorter_than_wanted(self) -> Iterator[str]:
        """Requests that the planned context cuts off or refuses."""
        plan, wanted = self.planned.plan, self.verdict.profile.answered("context_tokens")
        average = sum(self.verdict.situation.number(name) or 0 for name in ("input_tokens", "output_tokens"))
        asked = wanted or average
        if plan.max_model_len and asked > plan.max_model_len:
            what = "context_tokens" if wanted else self._words("an average request of", "平均请求")
            yield self._words(
                f"{what} {int(asked):,} was planned for; {plan.model} takes {plan.max_model_len:,} tokens at most",
                f"{what} 按 {int(asked):,} 规划；{plan.model} 最多接受 {plan.max_model_len:,} 个 token",
            )

    def _of_the_engine(self, chosen: Assessment) -> Iterator[str]:
        for gate in _GATES:
            if chosen.attributes.get(gate) == "yes" and (text := self._gate(chosen, gate)):
                yield text
        name, licence = chosen.engine.name, engines()[chosen.engine.id].licence
        if licence.startswith("AGPL"):
            yield self._words(
                f"{name} is licensed {licence}: who serves a changed version over a network must offer its source",
                f"{name} 的许可证是 {licence}：通过网络提供修改版服务的人必须提供其源代码",
            )

    def _gate(self, chosen: Assessment, gate: str) -> str | None:
        """The sentence behind a gate that holds."""
        said = _in_chinese(chosen, gate, self.verdict) if self._chinese else None
        return f"{chosen.engine.name}：{said}" if said else chosen.explain(gate)

    def _of_the_cards(self, cards: Cards) -> Iterator[str]:
        """Which cards and machines the plan leaves alone, and what they are good for; what several machines mean."""
        plan, used = self.planned.plan, cards_of_a_node(self.planned.plan)
        if used < cards.count and not cards.each_free_gib:
            yield self._idle(used, cards)
        if not plan.rent:
            yield from left_alone(self.verdict.machine, cards, used, self.lang)
        if plan.nodes < cards.nodes:
            yield self._words(
                f"the plan uses {plan.nodes} of {cards.nodes} machines; the others are free for replicas",
                f"方案使用 {cards.nodes} 台机器中的 {plan.nodes} 台；其余可用于副本",
            )
        if plan.nodes > 1:
            yield self._words(
                f"{plan.nodes} machines hold one copy of the model: when one fails, all of them start anew, and how "
                "fast they are together depends on the network between them, of which nothing is known",
                f"{plan.nodes} 台机器共同承载一份模型：一台出故障，全部都要重新启动；"
                "合在一起有多快取决于机器间的网络，而网络情况未知",
            )

    def _idle(self, used: int, cards: Cards) -> str:
        if cards.slices:
            return self._words(
                f"the plan uses {used} of {cards.count} slices; start one replica a slice for the others",
                f"方案使用 {cards.count} 个切片中的 {used} 个；其余切片可各启动一个副本",
            )
        return self._words(
            f"the plan uses {used} of {cards.count} cards; the others are free for replicas",
            f"方案使用 {cards.count} 张卡中的 {used} 张；其余可用于副本",
        )


def _in_chinese(chosen: Assessment, gate: str, verdict: Verdict) -> str | None:
    """What is said most; None leaves the sentence of the gate as it is."""
    engine, has = chosen.engine, chosen.cards.compute_capability if chosen.cards else None
    if gate == "its_driver":
        need = needed(engine, has)
        here = installed(verdict.site)
        return f"需要 NVIDIA 驱动 {need.branch} 或更新版本；这里的驱动版本未知" if need and here is None else None
    if gate == "its_gpu":
        build = build_for(engine, has)
        return f"{chosen.cards.name} 请使用 {build.named}" if build and chosen.cards else None
    architecture = chosen.model.architecture
    last, earlier = engine.architectures.removed.get(architecture), engine.earlier_for(architecture)
    return f"{architecture} 在 {last} 之后被移除，因此固定使用 {earlier.version}" if last and earlier else None
