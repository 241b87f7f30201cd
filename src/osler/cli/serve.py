"""``osler serve``: the catalogue, runs and the review of a queue, for people with a browser."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from osler.core import InputError, MissingError

from .labels import find_queue

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@app.command()
def serve(
    place: Annotated[
        Path | None,
        typer.Argument(
            metavar="[QUEUE|ROUND|FOLDER]",
            help="A queue.sqlite or the folder of a round, to review; or a folder of runs and "
            "fused sets, to read. Without it the catalogue alone is served.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8765,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Further host name under which browsers find it; repeat it."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the token; made if absent. Default: a new token each time."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of the images. Default: the round."),
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Folder of runs or fused sets to list; repeat it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the address as JSON.")] = False,
) -> None:
    """Serve the catalogue, plans, runs and the review of a queue until Ctrl-C.

    Prints one address. The catalogue, plans and reports can be read by everybody who reaches the
    page. With a queue the address holds a token: whoever opens it says a name and decides tasks.
    Every decision is on disk before the next task is shown; stop and start as you like.
    """
    for package in ("fastapi", "uvicorn"):
        if find_spec(package) is None:
            raise MissingError(f"osler serve needs {package}: pip install 'osler[web]'")
    import uvicorn

    queue, folders = _places(place, runs or [])
    local = host in LOOPBACK
    if folders and not local:
        raise InputError(
            f"reports show images and answers to everybody who reaches {host}; serve {folders[0]} "
            "on this machine only, and let others in by a tunnel (ssh -L)"
        )
    with ExitStack() as stack:
        web, say, path = _application(stack, place, queue, folders, token_file, images, host, name)
        listening = stack.enter_context(_listen(host, port))
        say["url"] = f"http://{_shown(host)}:{listening.getsockname()[1]}{path}"
        typer.echo(json.dumps(say) if as_json else say["url"])
        sys.stdout.flush()
        if not local:
            typer.echo(
                "osler: others in this network can reach this page; the token and what they send "
                "are not encrypted, so put it behind HTTPS where that matters",
                err=True,
            )
        config = uvicorn.Config(
            web, log_level="warning", access_log=False, server_header=False, lifespan="on"
        )
        _run(uvicorn.Server(config), listening)
    typer.echo(f"stopped; all decisions are in {queue}" if queue else "stopped", err=True)


def _places(place: Path | None, runs: list[Path]) -> tuple[Path | None, list[Path]]:
    """The queue to review and the folders of runs to list, of what was named."""
    from osler.web.portal import holds_runs

    for folder in runs:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder of runs")
    if place is None:
        return None, runs
    try:
        return find_queue(place), runs
    except InputError:
        if not place.is_dir() or (place / "round.json").is_file() or not holds_runs(place):
            raise
    return None, [place, *runs]


def _application(
    stack: ExitStack,
    place: Path | None,
    queue: Path | None,
    folders: list[Path],
    token_file: Path | None,
    images: Path | None,
    host: str,
    names: list[str] | None,
) -> tuple[Any, dict[str, Any], str]:
    """The application, what is said of it, and the path to open first."""
    from osler.web import create_app

    hosts = (*LOOPBACK, host, socket.gethostname(), *(names or []))
    if place is None or queue is None:
        for option, value in (("--images", images), ("--token-file", token_file)):
            if value is not None:
                raise InputError(f"{option} is for a queue; name a queue.sqlite or a round as well")
        web = create_app(hosts=hosts, any_address=host not in LOOPBACK, runs=folders)
        say = {"url": "", "datasets": len(web.state.holdings.records), "runs": len(folders)}
        web.state.holdings.warm()
        return web, say, "/runs" if folders else "/"
    folder = _image_folder(place, queue, images)
    _check_images(queue, folder)
    token = _token(token_file)
    web = create_app(
        queue,
        folder,
        token=token,
        title=_title(queue),
        hosts=hosts,
        any_address=host not in LOOPBACK,
        runs=folders,
    )
    held = stack.enter_context(closing(web.state.room.queue))
    say = {"url": "", "queue": str(queue), "tasks": held.brief("x").tasks}
    return web, say, f"/login#token={token}"


def _run(server: Any, listening: socket.socket) -> None:
    """Serve until a signal; uvicorn raises it again when it has stopped."""
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        return


def _image_folder(place: Path, queue: Path, images: Path | None) -> Path:
    if images is not None:
        if not images.is_dir():
            raise InputError(f"{images}: no such folder of images")
        return images
    if place.is_dir():
        return place
    folder = queue.absolute().parent
    return folder.parent if folder.name in ("label", "audit") else folder


def _check_images(queue: Path, folder: Path) -> None:
    """Refuse a folder with none of the images; tell how many are missing."""
    from osler.curate.annotate import open_queue
    from osler.evaluate.benchmarks.folder import image_path
    from osler.evaluate.engine.blobs import blob_path

    with open_queue(queue) as held:
        refs = {ref.sha256: ref for one in held.labels() for ref in one.task.images}
    gone = [
        ref for ref in refs.values()
        if not image_path(folder, ref).is_file() and not blob_path(folder, ref).is_file()
    ]  # fmt: skip
    if gone and len(gone) == len(refs):
        raise InputError(
            f"none of the {len(refs)} images of {queue} is in {folder}; name their folder "
            "(--images)"
        )
    if gone:
        typer.echo(f"osler: {len(gone)} of {len(refs)} images are not in {folder}", err=True)


def _title(queue: Path) -> str:
    folder = queue.absolute().parent
    return (folder.parent if folder.name == "label" else folder).name or "Review"


def _token(file: Path | None) -> str:
    if file is None:
        return secrets.token_urlsafe(24)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as handle:
            handle.write(secrets.token_urlsafe(24) + "\n")
    token = file.read_text(encoding="utf-8", errors="replace").strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(f"{file}: holds no token; give a file of one line without blanks")
    return token


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise InputError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; "
            "stop what uses it, or give another --port (0 takes a free one)"
        ) from error
    return listening


def _shown(host: str) -> str:
    """The host as a browser on this machine writes it."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
