"""A repository on a Hugging Face hub: look, create, commit; every call waits and tries again where that helps."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchmark import __version__
from benchmark.engine.scratch import scratch_folder
from benchmark.publish.hub.files import DatasetFile
from benchmark.publish.hub.guard import LONGEST_WAIT, PATIENCE, SLOWEST, Guard, guarded
from benchmark.publish.hub.patience import reach, within
from benchmark.publish.hub.state import State
from benchmark.publish.hub.troubles import Target, Trouble, diagnose
from models.errors import UserError

T = TypeVar("T")

TRIES = 5

MOST_FILES = 1_000_000
"""No branch holds more."""


@dataclass(frozen=True)
class Hub:
    """A dataset repository and the right to write to it.

    Arguments:
        target: Where it is.
        token: Access token with write permission; empty to look at what anybody may see.
        tell: Called with a line for the user when a call has to wait.
        tries: How often a call is tried before it fails.
        first_wait: Seconds before the second try; each further wait is twice as long.
    """

    target: Target
    token: str = field(repr=False)
    tell: Callable[[str], None] = lambda line: None
    tries: int = TRIES
    first_wait: float = 1.0
    _guard: Guard = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_guard", Guard(self.target.endpoint))

    def guarded(self) -> AbstractContextManager[None]:
        """Return a block within which the hub's client is guarded: where it asks, where the token goes, how long."""
        return guarded(self._guard)

    @property
    def _api(self) -> Any:
        from huggingface_hub import HfApi

        endpoint, token = self.target.endpoint, self.token or False
        return HfApi(endpoint=endpoint, token=token, library_name="daclip-bench", library_version=__version__)

    def call(self, function: Callable[[], T], *, accept: Sequence[int] = (), size: int = 0) -> T | None:
        """Return what `function` returns, trying again after failures that pass.

        Arguments:
            function: One or more calls of `huggingface_hub`; it must be safe to repeat.
            accept: HTTP statuses for which None is returned instead of an error.
            size: How many bytes are sent.

        Raises:
            UserError: It failed for good; the sentence says what to do.
        """
        if not self._guard.met:
            reach(self.target.endpoint, self.first_wait)
        wait, end = self.first_wait, time.monotonic() + PATIENCE + size / SLOWEST
        for left in reversed(range(self.tries)):
            self._guard.requests = 0
            try:
                return within(function, max(1.0, end - time.monotonic()), self.target.endpoint)
            except UserError:
                raise
            except Exception as error:
                trouble = diagnose(error, self.target)
                if trouble is None:
                    raise
                if trouble.status in accept:
                    return None
                pause = wait if trouble.wait is None else trouble.wait
                late = time.monotonic() + pause > end
                if not trouble.passes or not left or pause > LONGEST_WAIT or late:
                    raise UserError(_final(trouble, pause)) from None
                self.tell(f"{trouble.sentence.split(': ')[0]}: trying again in {pause:.0f} s")
                time.sleep(pause)
                wait *= 2
        raise AssertionError("unreachable")

    def visibility(self) -> str | None:
        """Return `"private"` or `"public"`, or None when there is no such repository."""
        repo = self.target.repo
        unseen = (404,) if self.token else (401, 403, 404)
        info = self.call(lambda: self._api.repo_info(repo, repo_type="dataset"), accept=unseen)
        return None if info is None else "private" if info.private else "public"

    def create(self, *, private: bool) -> None:
        """Create the repository unless it exists."""
        repo = self.target.repo
        self.call(lambda: self._api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True))

    def create_branch(self) -> None:
        """Create the branch, from the head of main, unless it exists."""
        repo, branch = self.target.repo, self.target.branch
        if branch != "main":
            self.call(lambda: self._api.create_branch(repo, branch=branch, repo_type="dataset", exist_ok=True))

    def publish(self) -> None:
        """Make the repository public."""
        repo = self.target.repo
        self.call(lambda: self._api.update_repo_settings(repo, repo_type="dataset", private=False))

    def state(self) -> State | None:
        """Return what the branch holds, or None when there is no such repository or branch."""
        return self.call(self._state, accept=(404,))

    def _state(self) -> State:
        from huggingface_hub.hf_api import RepoFile

        repo, api = self.target.repo, self._api
        commit = api.repo_info(repo, repo_type="dataset", revision=self.target.branch).sha
        files = {}
        if not isinstance(commit, str) or not re.fullmatch("[0-9a-f]{40,64}", commit):
            raise ValueError("malformed commit")
        for entry in api.list_repo_tree(repo, recursive=True, revision=commit, repo_type="dataset"):
            if not isinstance(entry.path, str) or len(files) > MOST_FILES:
                raise ValueError("malformed list of files")
            if isinstance(entry, RepoFile):
                files[entry.path] = entry
        return State(commit, files)

    def read(self, path: str, commit: str) -> bytes:
        """Return the bytes of a small file of the repository."""

        def download() -> bytes:
            with scratch_folder() as folder:
                name = self._api.hf_hub_download(
                    self.target.repo, path, repo_type="dataset", revision=commit, local_dir=folder
                )
                return Path(name).read_bytes()

        data = self.call(download)
        assert data is not None
        return data

    def commit(
        self,
        message: str,
        add: Sequence[DatasetFile],
        *,
        delete: Sequence[str] = (),
        check: Callable[[State], None] = lambda state: None,
        progress: Callable[[DatasetFile], None] = lambda file: None,
    ) -> int:
        """Bring files to the branch in one commit, leaving out those that it holds already.

        Safe to repeat: what the branch holds is asked anew before every try, so a commit whose answer was lost is not
        made twice, and one that meets somebody else's is made on top of it.

        Arguments:
            message: Summary of the commit.
            add: Files to be there afterwards.
            delete: Paths to be absent afterwards.
            check: Called with the state of the branch before each try; raises when nothing may be written any more.
            progress: Called with each file once it is on the server.

        Returns:
            The number of files that were sent.
        """
        from huggingface_hub import CommitOperationDelete

        def look() -> State:
            state = self._state()
            check(state)
            return state

        state = self.call(look)
        assert state is not None
        uploads = []
        for file in add:
            if not state.holds(file):
                uploads.append((file, self._upload(file)))
            progress(file)

        def attempt() -> None:
            now = look()
            operations = [upload for file, upload in uploads if not now.holds(file)]
            operations += [CommitOperationDelete(path) for path in delete if path in now.files]
            if operations:
                self._api.create_commit(
                    self.target.repo,
                    operations,
                    commit_message=message,
                    repo_type="dataset",
                    revision=self.target.branch,
                    parent_commit=now.commit,
                )

        self.call(attempt, size=sum(file.size for file, _ in uploads))
        return len(uploads)

    def _upload(self, file: DatasetFile) -> Any:
        """Bring a file to the server's storage, for a commit to come."""
        from huggingface_hub import CommitOperationAdd

        def send() -> Any:
            if not file.local.is_file():
                raise UserError(f"{file.local} vanished while it was being pushed: build the dataset again")
            upload = CommitOperationAdd(file.path, file.local)
            # An empty list of ignored files: one in the repository would make the hub drop files without a word.
            self._api.preupload_lfs_files(
                self.target.repo,
                [upload],
                repo_type="dataset",
                revision=self.target.branch,
                free_memory=False,
                gitignore_content="",
            )
            return upload

        return self.call(send, size=file.size)


def _final(trouble: Trouble, pause: float) -> str:
    if trouble.wait is not None and pause > LONGEST_WAIT:
        return f"{trouble.sentence} (it asks to wait {pause:.0f} s)"
    return trouble.sentence
