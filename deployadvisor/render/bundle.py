"""The files of a deployment: which ones, filled in, read back and ready to be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from deployadvisor.errors import RenderError
from deployadvisor.recommendation import Recommendation
from deployadvisor.render import artefacts, readme
from deployadvisor.render.carried import carried_over
from deployadvisor.render.changes import FolderDiff, WriteReport, digest
from deployadvisor.render.check import Issue, check_files
from deployadvisor.render.check_compose import strings
from deployadvisor.render.environment import render_template
from deployadvisor.render.folder import diff_folder, write_folder
from deployadvisor.render.host import Host
from deployadvisor.render.loaded import has_place
from deployadvisor.render.logs import Logs
from deployadvisor.render.manifest import FileEntry, manifests
from deployadvisor.render.preflight import requirements_of
from deployadvisor.render.proof import proof_files
from deployadvisor.render.record import RECORD, record_of
from deployadvisor.render.semantic import semantic_issues
from deployadvisor.render.targets import available_targets, chosen_proxy, default_targets, may_run_windows, select
from deployadvisor.render.view import View
from deployadvisor.resources import templates_folder

__all__ = ["Bundle", "FolderDiff", "RenderedFile", "WriteReport", "available_targets", "default_targets", "render"]


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """One finished file."""

    text: str
    executable: bool = False


@dataclass(frozen=True)
class Bundle(Mapping[str, RenderedFile]):
    """Finished files by their path in the folder, and the targets they are for."""

    files: Mapping[str, RenderedFile]
    targets: tuple[str, ...]
    carry: Callable[[Path], Mapping[str, str]] = field(default=lambda _: {}, compare=False)
    """Texts that take in what people and checks wrote into a folder since; never in conflict."""

    @property
    def serves(self) -> bool:
        """Whether something is started from the folder, for which the machine can be checked."""
        return any(manifests()[target].role == "serve" for target in self.targets)

    def __getitem__(self, path: str) -> RenderedFile:
        """The file at ``path``."""
        return self.files[path]

    def __iter__(self) -> Iterator[str]:
        """Paths, README.md first."""
        return iter(self.files)

    def __len__(self) -> int:
        """Number of files."""
        return len(self.files)

    def write(self, folder: Path | str, force: bool = False, keep_edits: bool = False) -> WriteReport:
        """Write all files into ``folder``, or none.

        Files that the user edited stay as they are. Where the new rendering differs too, RenderError names them,
        unless ``keep_edits`` keeps them or ``force`` overwrites them. ``force`` also takes a foreign folder.
        """
        carried = self._carried(Path(folder))
        files = {**self.files, **carried}
        return write_folder(files, Path(folder), force=force, keep_edits=keep_edits, carried=frozenset(carried))

    def diff(self, folder: Path | str, force: bool = False, keep_edits: bool = False) -> FolderDiff:
        """What ``write`` would change, as a report and unified diffs; touches nothing."""
        carried = self._carried(Path(folder))
        files = {**self.files, **carried}
        return diff_folder(files, Path(folder), force=force, keep_edits=keep_edits, carried=frozenset(carried))

    def _carried(self, folder: Path) -> Mapping[str, RenderedFile]:
        texts = self.carry(folder) if (folder / RECORD).is_file() else {}
        return {name: RenderedFile(text) for name, text in texts.items() if name in self.files}


def render(
    advice: Recommendation,
    targets: Sequence[str] | None = None,
    extra_files: Mapping[str, str] = MappingProxyType({}),
    proxy: str | None = None,
) -> Bundle:
    """Make all files for ``advice``; without ``targets`` those that suit the plan, without ``proxy`` with Caddy.

    Raises RenderError when the answer is not decided, when a target does not exist or cannot run the plan, and when
    a rendered file does not read back as what it should be.
    """
    manifests = select(advice, targets)
    view = View(advice, manifests, proxy=chosen_proxy(manifests, proxy))
    context = readme.context(view)
    files = {
        "README.md": RenderedFile(readme.page(advice.lang, context)),
        **dict(_target_files(view, context)),
        **{_safe(path): RenderedFile(text) for path, text in extra_files.items()},
        "advice.json": RenderedFile(advice.to_json()),
    }
    _refuse_issues([*check_files(files, _words_of_the_user(advice)), *semantic_issues(files, view)])
    chosen = tuple(one.id for one in view.targets)
    digests = {path: digest(file.text.encode()) for path, file in files.items()}
    files[RECORD] = RenderedFile(record_of(advice, chosen, targets or (), digests, view.proxy).to_yaml())
    needs = requirements_of(view) if view.serving is not None else None
    return Bundle(MappingProxyType(files), chosen, lambda folder: carried_over(advice, needs, folder))


def _target_files(view: View, context: Mapping[str, Any]) -> Iterator[tuple[str, RenderedFile]]:
    for target in view.targets:
        for entry in target.files:
            if _applies(entry, view):
                yield from _files(entry, view, context)
    for entry in proof_files(view):
        yield from _files(entry, view, context)


def _files(entry: FileEntry, view: View, context: Mapping[str, Any]) -> Iterator[tuple[str, RenderedFile]]:
    """The file of an entry, or one for each replica; none where its data say so."""
    for replica in Host(view).replicas if entry.per_replica else (None,):
        text = _text(entry, view, {**context, "replica": replica})
        path = entry.path.replace("{replica}", str(replica.number)) if replica else entry.path
        if text is not None:
            yield path, RenderedFile(text, entry.executable)


def _applies(entry: FileEntry, view: View) -> bool:
    if entry.proxy not in (None, view.proxy) or (entry.keeps_logs and Logs(view).policy == "none"):
        return False
    if (entry.tuning and not view.tuning) or (entry.spanning and view.advice.plan.nodes == 1):
        return False
    if entry.windows and not may_run_windows(view.advice):
        return False
    if not has_place(entry, view):
        return False
    return not entry.engines or (not view.hosted and view.engine.id in entry.engines)


def _text(entry: FileEntry, view: View, context: Mapping[str, Any]) -> str | None:
    if entry.data is not None:
        return artefacts.build(entry.data, entry.path, view)
    template = entry.template or ""
    if entry.language == "trusted":
        return (templates_folder() / template).read_text(encoding="utf-8")
    return render_template(template, entry.language, context)


def _safe(path: str) -> str:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        raise RenderError(f"{path} leads out of the folder")
    return str(parts)


def _refuse_issues(issues: Sequence[Issue]) -> None:
    if issues:
        listed = "; ".join(str(issue) for issue in issues)
        raise RenderError(f"the rendered files are not right: {listed}")


def _words_of_the_user(advice: Recommendation) -> str:
    """All text in the answer: template marks in it are the user's own and stay."""
    return "\n".join(strings(advice.model_dump(mode="json")))
