"""`bench push`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from models.errors import UserError
from models.markdown import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark.publish.hub.files import Contents, DatasetFile
    from benchmark.publish.hub.push import Plan
    from benchmark.publish.hub.repository import Hub

MB = 1_000_000


@click.command(
    name="push",
    epilog="""\b
Examples:
  bench push datasets/paper me/daclip-mixed --dry-run
  bench push datasets/paper me/daclip-mixed
  bench push datasets/gopro me/gopro --public
  bench push datasets/paper team/mixed --revision v2 --endpoint https://hub.example.org""",
)
@click.argument("dataset", type=click.Path(path_type=Path))
@click.argument("repo_id")
@click.option("--private/--public", default=True, show_default=True, help="Who may see it.")
@click.option("--i-have-the-rights", "rights", is_flag=True, help="Publish sources that may not be passed on freely.")
@click.option("--endpoint", metavar="URL", help="Address of the hub.  [default: HF_ENDPOINT or huggingface.co]")
@click.option(
    "--revision", default="main", show_default=True, metavar="BRANCH", help="Branch; made when it is missing."
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="File with the access token.  [default: HF_TOKEN, or that of hf auth login]",
)
@click.option("--verify/--no-verify", default=True, show_default=True, help="Hash every shard before anything is sent.")
@click.option("--replace", is_flag=True, help="Delete another dataset that the repository holds, and all its files.")
@click.option("--dry-run", is_flag=True, help="Check everything and say what would be sent; needs no token.")
def command(
    dataset: Path,
    repo_id: str,
    private: bool,
    rights: bool,
    endpoint: str | None,
    revision: str,
    token_file: Path | None,
    verify: bool,
    replace: bool,
    dry_run: bool,
) -> None:
    """Publish DATASET as the dataset repository REPO_ID on a Hugging Face hub.

    What the hub holds already is not sent again, so a killed push continues. The manifest is sent last: a repository
    with a manifest is whole. A server without Xet storage needs HF_HUB_DISABLE_XET=1.
    """
    from benchmark.dataset.folder import Dataset
    from benchmark.engine.progress import progress_bar
    from benchmark.publish.card.terms import check_rights
    from benchmark.publish.card.write import refresh
    from benchmark.publish.hub.files import check_digests, list_contents, list_data
    from benchmark.publish.hub.push import plan_push, push
    from models.files import single_writer

    data = Dataset(dataset)
    hub = open_hub(repo_id, endpoint, revision, token_file, needed=not dry_run)
    with hub.guarded(), single_writer(dataset):
        if not private and not rights:
            check_rights(data.manifest)
        seen = hub.visibility()
        if seen == "public" and private:
            raise UserError(f"{repo_id} is public: add --public to publish there, or choose another name")
        files = list_data(data)
        if verify:
            with progress_bar("check (MB)", _mb(files)) as progress:
                check_digests(files, progress=lambda done: progress(done // MB))
        refresh(dataset)
        contents = list_contents(data)
        if dry_run:
            state = None if seen is None else hub.state()
            show(plan_push(data, contents, hub, state, replace=replace), contents)
            return
        if seen is None:
            hub.create(private=private)
        hub.create_branch()
        with progress_bar("push (MB)", _mb(contents.files)) as progress:
            plan = push(data, contents, hub, replace=replace, progress=lambda done: progress(done // MB))
        if seen == "private" and not private:
            hub.publish()
    click.echo(
        f"{len(plan.missing)} files sent, {len(plan.present)} were there, {len(plan.delete)} deleted: "
        f"{hub.target.endpoint}/datasets/{repo_id} ({'private' if private else 'public'})"
    )


def open_hub(repo_id: str, endpoint: str | None, revision: str, token_file: Path | None, *, needed: bool = True) -> Hub:
    """Return the repository to push to.

    Arguments:
        repo_id: Its name.
        endpoint: Address of the hub, where it is given.
        revision: The branch.
        token_file: File with the access token, where it is given.
        needed: Whether there has to be a token; without one only what anybody may see is seen.

    Raises:
        UserError: The name, the address or the branch is not one, or there is no token.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import disable_progress_bars, validate_repo_id

    from benchmark.publish.hub.repository import Hub
    from benchmark.publish.hub.troubles import Target

    try:
        validate_repo_id(repo_id)
    except HFValidationError:
        repo_id_is_one = False
    else:
        repo_id_is_one = repo_id.count("/") == 1
    if not repo_id_is_one:
        raise UserError(f"{repo_id!r} is not the name of a repository: expected NAMESPACE/NAME, as in me/daclip-mixed")
    address = (endpoint or constants.ENDPOINT).rstrip("/")
    check_endpoint(address)
    if not revision or revision != revision.strip() or revision.startswith(("refs/", "-")):
        raise UserError(f"--revision {revision!r}: expected the name of a branch, as in main")
    disable_progress_bars()
    token = read_token(token_file, needed=needed)
    return Hub(Target(address, repo_id, revision), token, tell=lambda line: click.echo(line, err=True))


def check_endpoint(address: str) -> None:
    """Check the address of a hub: the token and the data go there.

    Raises:
        UserError: It is none, or others could read what is sent there.
    """
    from benchmark.downloads.transport import is_loopback

    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("https", "http") or not host or not address.isascii() or not address.isprintable():
        raise UserError(f"--endpoint {shown(address)}: expected an address that begins with https://")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UserError("--endpoint: expected https://HOST or https://HOST/PATH, without a name, password or query")
    if parts.scheme == "http" and not is_loopback(host):
        raise UserError(
            f"--endpoint {address}: the token would be readable on the way; expected https:// (http:// is for a hub on "
            "this machine alone)"
        )


def read_token(file: Path | None, *, needed: bool = True) -> str:
    """Return the access token: that of the file, or else HF_TOKEN, or else that of the hub's login.

    Arguments:
        file: The file, where it is given.
        needed: Whether there has to be one; else "" is returned where there is none.

    Raises:
        UserError: There is none, or what there is cannot be one.
    """
    from huggingface_hub import get_token

    if file is not None:
        try:
            token = file.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            raise UserError(f"--token-file {file}: file not found") from None
        except UnicodeDecodeError:
            token = ""
        if not token or not token.isascii() or len(token.split()) != 1:
            raise UserError(f"--token-file {file}: expected one line with an access token, as in hf_...")
        return token
    token = get_token() or ""
    if needed and not token:
        raise UserError("there is no access token for the hub: log in with hf auth login, set HF_TOKEN or --token-file")
    return token


def show(plan: Plan, contents: Contents) -> None:
    """Print what a push would do."""
    for file in plan.missing:
        click.echo(f"send    {file.path} ({file.size / MB:.1f} MB)")
    for path in plan.delete:
        click.echo(f"delete  {shown(path)}")
    size, whole = sum(file.size for file in plan.missing) / MB, contents.size / MB
    click.echo(
        f"would send {len(plan.missing)} of {len(contents.files)} files ({size:.1f} of {whole:.1f} MB) "
        f"and delete {len(plan.delete)}; nothing was changed"
    )


def _mb(files: Sequence[DatasetFile]) -> int:
    return max(1, sum(file.size for file in files) // MB)
