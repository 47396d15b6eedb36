"""A dataset folder to a repository on a hub: data first, words about it next, the manifest last and alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmark.dataset.folder import Dataset
from benchmark.publish.hub.files import CARD, DATA_FOLDERS, MANIFEST, Contents, DatasetFile
from benchmark.publish.hub.repository import Hub
from benchmark.publish.hub.state import State
from models.errors import UserError
from models.files import parse_json
from models.markdown import shown

COMMIT_FILES = 50
COMMIT_BYTES = 2_000_000_000
"""A commit of data is closed before it passes either limit; so much is lost at most when the command is killed."""

THE_HUBS_OWN = (".gitattributes", CARD)
"""Files that a repository may hold before anything is pushed."""


@dataclass(frozen=True)
class Plan:
    """What a push does.

    Arguments:
        missing: Files to be sent.
        present: Files that are there already.
        delete: Paths to be deleted.
        other: Digest of the dataset that is there and is to be replaced, if any; "" when it is unknown.
    """

    missing: tuple[DatasetFile, ...]
    present: tuple[DatasetFile, ...]
    delete: tuple[str, ...]
    other: str | None = None


def plan_push(dataset: Dataset, contents: Contents, hub: Hub, state: State | None, *, replace: bool) -> Plan:
    """Hold a dataset against what the branch has.

    Arguments:
        dataset: The dataset.
        contents: Its files.
        hub: The repository.
        state: What the branch has, None when there is no such branch.
        replace: Whether everything that does not belong to this dataset is to go.

    Raises:
        UserError: The branch has another dataset or foreign files, and `replace` is False.
    """
    if state is None:
        return Plan(contents.files, (), ())
    missing = tuple(file for file in contents.files if not state.holds(file))
    present = tuple(file for file in contents.files if state.holds(file))
    ours = {file.path for file in contents.files}
    strangers = [path for path in state.files if path not in ours and path not in THE_HUBS_OWN]
    if MANIFEST in state.files:
        digest = _digest(hub.read(MANIFEST, state.commit))
        if digest == dataset.digest:  # a file that its owner added, such as LICENSE, stays
            return Plan(missing, present, tuple(path for path in strangers if path.startswith(DATA_FOLDERS)))
        if not replace:
            raise UserError(
                f"{hub.target.repo} already holds another dataset (digest {digest[:16] or 'unknown'}, this one is "
                f"{dataset.digest[:16]}): choose another name, or add --replace"
            )
        return Plan(missing, present, tuple(strangers), digest)
    changed = [file.path for file in contents.data if file in missing and file.path in state.files]
    if (strangers or changed) and not replace:
        one = shown((strangers + changed)[0])[:200]
        raise UserError(
            f"{hub.target.repo} holds files of something else ({one}): choose another name, or add --replace to delete "
            "them"
        )
    return Plan(missing, present, tuple(strangers))


def push(
    dataset: Dataset,
    contents: Contents,
    hub: Hub,
    *,
    replace: bool,
    progress: Callable[[int], None] = lambda done: None,
) -> Plan:
    """Bring a dataset to a branch that exists, continuing where a killed push stopped.

    The manifest is committed last, when the branch is known to hold every other file with the right bytes; in a dataset
    that is replaced it is deleted first. So a branch with a manifest is whole.

    Arguments:
        dataset: The dataset.
        contents: Its files.
        hub: The repository.
        replace: Whether another dataset there is to be replaced.
        progress: Called with the number of bytes that are on the server.

    Returns:
        What was done.

    Raises:
        UserError: The branch has another dataset, somebody else pushed one meanwhile, or the hub failed.
    """
    state = hub.state()
    if state is None:
        raise UserError(
            f"{hub.target.endpoint} shows no branch {hub.target.branch} of {hub.target.repo}: check the name"
        )
    plan = plan_push(dataset, contents, hub, state, replace=replace)
    known = {contents.manifest.blob}
    if MANIFEST in state.files:
        known.add(state.files[MANIFEST].blob_id)

    def check(now: State) -> None:
        if MANIFEST in now.files and now.files[MANIFEST].blob_id not in known:
            raise UserError(f"somebody else pushed another dataset to {hub.target.repo} meanwhile: choose another name")

    done: dict[str, int] = {}

    def sent(file: DatasetFile) -> None:
        done[file.path] = file.size
        progress(sum(done.values()))

    if plan.other is not None:
        hub.commit("Make room for another dataset", (), delete=(MANIFEST, *plan.delete), check=check)
    parts = list(_parts(contents.data))
    for number, part in enumerate(parts, 1):
        hub.commit(f"Data, part {number} of {len(parts)}", part, check=check, progress=sent)
    hub.commit("Card and captions", contents.words, delete=plan.delete, check=check, progress=sent)
    _check_whole(contents, hub)
    hub.commit("Manifest: the dataset is whole", (contents.manifest,), check=check, progress=sent)
    return plan


def _parts(files: Sequence[DatasetFile]) -> Iterator[list[DatasetFile]]:
    part: list[DatasetFile] = []
    for file in files:
        if part and (len(part) == COMMIT_FILES or sum(f.size for f in part) + file.size > COMMIT_BYTES):
            yield part
            part = []
        part.append(file)
    if part:
        yield part


def _check_whole(contents: Contents, hub: Hub) -> None:
    state = hub.state()
    for file in (*contents.data, *contents.words):
        if state is None or not state.holds(file):
            raise UserError(
                f"{hub.target.endpoint} does not hold {file.path} with the bytes of {file.local}, so the manifest was "
                "not pushed: run the command again, and look for a changed file when this repeats"
            )


def _digest(manifest: bytes) -> str:
    """Return the digest in a manifest, or "" when it is not one of ours."""
    try:
        digest = parse_json(manifest, "manifest").get("digest")
    except UserError:
        return ""
    return shown(digest) if isinstance(digest, str) else ""
