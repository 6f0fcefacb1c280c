"""``deployadvisor rules diff``: what two versions of the rules answer differently, and the step it implies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from deployadvisor.decide.difference import Difference, Move, difference
from deployadvisor.decide.findings import in_words
from deployadvisor.decide.versions import Version, carries, parse_version
from deployadvisor.errors import RulesError
from deployadvisor.rulebook import DECISIONS, Rulebook, load_rules
from deployadvisor.surfaces import options
from deployadvisor.surfaces.revision import checked_out

_SHIPPED = "shipped"
_BLOCKED = "blocked"
_EPILOG = """\b
Examples:
  deployadvisor rules diff shipped my-rules
  deployadvisor rules diff shipped acme-overlay.yaml
  deployadvisor rules diff v0.1.0 rules --ruleset route
"""


@click.command("diff", epilog=_EPILOG)
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--ruleset", type=click.Choice(DECISIONS), help="Compare only this decision.")
@options.json_option
def command(before: str, after: str, ruleset: str | None, as_json: bool) -> int:
    """Compare the answers of A and B over all profiles that the two can tell apart.

    A and B are folders of rules, overlay files (laid over the shipped rules), git revisions, or the word "shipped".
    Exit code 1 when the version that B declares does not say how much has changed since A; overlays declare none.
    """
    old, new = _rulebook(before), _rulebook(after)
    names = [ruleset] if ruleset else DECISIONS
    found = [difference(getattr(old, name), getattr(new, name)) for name in names]
    versioned = not (old.overlays or new.overlays)
    if as_json:
        options.print_json(
            {"before": before, "after": after, "rulesets": [_as_dict(one, versioned) for one in found]}
        )
    else:
        click.echo("\n\n".join("\n".join(_lines(one, versioned)) for one in found))
    return 0 if all(_is_carried(one, versioned) for one in found) else 1


def _rulebook(name: str) -> Rulebook:
    if name == _SHIPPED:
        return load_rules()
    path = Path(name)
    if path.is_file():
        return load_rules(overlays=[path])
    if path.is_dir():
        return load_rules(path)
    with checked_out(name) as folder:
        return load_rules(folder)


def _is_carried(found: Difference, versioned: bool) -> bool:
    if not versioned:
        return True
    before, after = (_version(found.name, text) for text in (found.before, found.after))
    return carries(before, after, found.bump)


def _version(ruleset: str, text: str) -> Version:
    version = parse_version(text)
    if version is None:
        raise RulesError(f"{ruleset}: version {text} is not three numbers such as 1.2.0")
    return version


# As text


def _lines(found: Difference, versioned: bool) -> Iterator[str]:
    versions = found.before if found.before == found.after else f"{found.before} -> {found.after}"
    if found.bump == "none":
        yield f"{found.name} {versions}: no difference"
        return
    yield f"{found.name} {versions}: {_percent(found.share)} of distinguishable profiles change their answer"
    yield from (f"  {line}" for line in _table(found.moves))
    yield from (f"  weaker: {one.message}, for example with {in_words(one.witness)}" for one in found.weakened)
    yield from (f"  {text}" for text in _rewording(found))
    yield f"  {_verdict(found, versioned)}"


def _table(moves: tuple[Move, ...]) -> Iterator[str]:
    """Each pair of answers with its share, and under it a profile that gets the one before and the other after."""
    rows: list[tuple[str, ...]] = [
        (move.before or _BLOCKED, move.after or _BLOCKED, _percent(move.share)) for move in moves
    ]
    heading, *lines = options.table(rows, ("from", "to", "share")).splitlines()
    if lines:
        yield heading
    for line, move in zip(lines, moves, strict=True):
        yield line
        yield f"  with {in_words(move.witness)}"


def _percent(share: float) -> str:
    """Two digits that matter, and never a rounded zero."""
    return f"{100 * share:.2g} %" if share < 0.0995 else f"{100 * share:.1f} %"


def _rewording(found: Difference) -> Iterator[str]:
    said = found.rewording
    yield from (f"added: {name}" for name in said.added)
    yield from (f"removed: {name}" for name in said.removed)
    yield from (f"changed: {name} ({', '.join(parts)})" for name, parts in said.changed.items())
    yield from (f"called differently: {name}" for name in said.titles)
    yield from said.scope
    yield from said.assumptions


def _verdict(found: Difference, versioned: bool) -> str:
    text = f"implied step: {found.bump}"
    if not versioned:
        return text
    carried = "carries it" if _is_carried(found, versioned) else "does not carry it"
    return f"{text}; {found.before} -> {found.after} {carried}"


# As JSON


def _as_dict(found: Difference, versioned: bool) -> dict[str, Any]:
    said = found.rewording
    return {
        "ruleset": found.name,
        "before": found.before,
        "after": found.after,
        "share": found.share,
        "moves": [_move(move) for move in found.moves],
        "weakened": [
            {"candidate": one.candidate, "rule": one.rule and one.rule.id, "witness": dict(one.witness)}
            for one in found.weakened
        ],
        "added": list(said.added),
        "removed": list(said.removed),
        "changed": {name: list(parts) for name, parts in said.changed.items()},
        "titles": list(said.titles),
        "scope": list(said.scope),
        "assumptions": list(said.assumptions),
        "bump": found.bump,
        "carried": _is_carried(found, versioned) if versioned else None,
    }


def _move(move: Move) -> dict[str, Any]:
    return {
        "from": move.before or _BLOCKED,
        "to": move.after or _BLOCKED,
        "share": move.share,
        "witness": dict(move.witness),
    }
