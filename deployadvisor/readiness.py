"""Which engines a machine can run at all, and what keeps the others from it: the doctor's view, without a model."""

from __future__ import annotations

from dataclasses import dataclass

from deployadvisor.catalog.engines import Engine, engines
from deployadvisor.catalog.models import Role
from deployadvisor.compatibility import machine_answers
from deployadvisor.hardware.machine import Machine
from deployadvisor.site import Site, site_of


@dataclass(frozen=True, slots=True)
class Readiness:
    """One engine on one machine; ``holds`` is None where something decisive is not known."""

    engine: Engine
    holds: bool | None
    detail: str = ""

    @property
    def name(self) -> str:
        """Engine and pinned version."""
        return f"{self.engine.name} {self.engine.version}"


def readiness(machine: Machine) -> tuple[Readiness, ...]:
    """Every engine of the catalogue, on the cards where it can, else on the processor."""
    site = site_of(machine)
    return tuple(_best(engine, site) for engine in engines().values())


def _best(engine: Engine, site: Site) -> Readiness:
    """On the cards where they run it or may; else on the processor alone; else the objection."""
    on_cards = [_in_role(engine, role, site) for role in engine.roles if role != "cpu"]
    by_processor = _in_role(engine, "cpu", site) if "cpu" in engine.roles else None
    found = next((each for holds in (True, None) for each in on_cards if each.holds is holds), None)
    if found is not None:
        return found
    objection = on_cards[0] if on_cards else None
    if by_processor is None or by_processor.holds is False:
        return objection or by_processor or Readiness(engine, None)
    why = f": {objection.detail}" if objection and site.cards else ""
    return Readiness(engine, by_processor.holds, f"on the processor alone{why}")


def _in_role(engine: Engine, role: Role, site: Site) -> Readiness:
    answers = machine_answers(engine, role, site)
    for wanted in (False, None):
        said = next((detail or "" for holds, detail in answers if holds is wanted), None)
        if said is not None:
            return Readiness(engine, wanted, said.removeprefix(f"{engine.version} "))
    return Readiness(engine, True, "; ".join(detail for _, detail in answers if detail))
