"""Routes: log in, review, save, submit, undo, progress, images."""

from __future__ import annotations

import math
import re
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, RedirectResponse, Response

from osler.core import BadFileError, InputError
from osler.curate.annotate import AXES, VERDICTS, Decision, Held
from osler.curate.annotate.progress import SIMULATED
from osler.curate.annotate.task import decision_from

from .room import Room
from .seals import SESSION_S, Session, same

_LOCAL = re.compile(r"/(?:review(?:/[0-9a-f]{16})?|progress)")
AXIS_HINTS = {
    "completeness": "names what is to be seen",
    "preciseness": "says nothing wrong",
    "consistency": "findings fit its verdict",
    "quality": "verdict is right",
}
SKIP_REASONS = ("not my field", "cannot tell from this image", "question is unclear")
FLAG_REASONS = (
    "none of the options fits",
    "image is broken",
    "question is wrong",
    "image shows who the patient is",
)


class Login(BaseModel):
    """What the login page sends."""

    token: str = Field(max_length=200)
    rater: str = Field(max_length=200)


class Draft(BaseModel):
    """What is typed so far; ``page`` and ``order`` tell late ones from new ones."""

    answer: str = Field("", max_length=2000)
    verdict: str = Field("", max_length=20)
    description: str = Field("", max_length=20_000)
    axes: dict[str, int] = Field(default_factory=dict, max_length=len(AXES))
    seconds: float = Field(0.0, ge=0, allow_inf_nan=False)
    page: str = Field("", max_length=40)
    order: int = 0


class Saving(BaseModel):
    """A draft of the task that addresses call ``task``."""

    task: str = Field(max_length=40)
    draft: Draft


class Submission(BaseModel):
    """A decision on a task, and the seconds it took."""

    task: str = Field(max_length=40)
    decision: dict[str, Any]
    seconds: float = Field(ge=0, allow_inf_nan=False)


def routes(room: Room) -> APIRouter:
    """All routes of the application."""
    router = APIRouter()
    _login_routes(router, room)
    _review_routes(router, room)
    _writing_routes(router, room)
    _reading_routes(router, room)
    return router


def _login_routes(router: APIRouter, room: Room) -> None:
    @router.get("/login")
    def login_page(next: str = "/review") -> Response:
        return room.pages.page("login.html", next=next if _LOCAL.fullmatch(next) else "/review")

    @router.post("/login")
    def login(body: Login) -> Response:
        if not same(body.token, room.token):
            sentence = "this token is not the one of this server; open the address it printed"
            return JSONResponse({"error": sentence, "code": "token"}, status_code=403)
        if body.rater.split()[:1] == [SIMULATED]:  # reports would not count a person as one
            raise InputError(f"names that begin with {SIMULATED!r} are not for people")
        rater = room.queue.register(body.rater, room.clock())
        _, cookie = room.seals.begin(rater, room.clock())
        answer = JSONResponse({"rater": rater})
        answer.set_cookie(
            room.seals.cookie, cookie, max_age=int(SESSION_S), httponly=True, samesite="strict"
        )
        return answer

    @router.post("/logout")
    def logout(request: Request) -> Response:
        room.writer(request)
        answer = JSONResponse({"next": "/login"})
        answer.delete_cookie(room.seals.cookie, httponly=True, samesite="strict")
        return answer


def _review_routes(router: APIRouter, room: Room) -> None:
    @router.get("/review")
    def next_task(request: Request) -> Response:
        session = room.session(request)
        held = room.queue.next(session.rater, now=room.clock())
        if held is None:
            return room.pages.page("done.html", **_frame(room, session))
        return RedirectResponse(f"/review/{held.key}", status_code=303)

    @router.get("/review/{key}")
    def one_task(key: str, request: Request) -> Response:
        session = room.session(request)
        task_id = room.queue.task_id(key)
        held = room.queue.held(task_id, session.rater) if task_id else None
        if held is None:
            sentence = (
                "You do not hold this task: it is decided, or somebody else has it. "
                "To change your last decision, press Ctrl+Z on the review page."
                if task_id
                else "There is no such task in this queue."
            )
            return room.pages.page("error.html", 404, sentence=sentence)
        return room.pages.page("review.html", **_frame(room, session), **_shown(held))


def _writing_routes(router: APIRouter, room: Room) -> None:
    @router.post("/api/draft")
    def save(body: Saving, request: Request) -> dict[str, Any]:
        session = room.writer(request)
        task_id = room.queue.task_id(body.task)
        draft = body.draft.model_dump()
        kept = bool(task_id) and room.queue.autosave(
            str(task_id), session.rater, draft, now=room.clock()
        )
        return {"saved": kept}

    @router.post("/api/submit")
    def submit(body: Submission, request: Request) -> dict[str, Any]:
        session = room.writer(request)
        task_id = room.queue.task_id(body.task) or body.task
        held = room.queue.held(task_id, session.rater)
        now = room.clock()
        spent = min(body.seconds, max(0.0, now - held.since)) if held else 0.0
        decision = decision_from(body.decision)
        room.queue.submit(task_id, session.rater, decision, seconds=spent, now=now)
        following = room.queue.next(session.rater, now=now)
        return {"next": f"/review/{following.key}" if following else "/review"}

    @router.post("/api/undo")
    def undo(request: Request) -> dict[str, Any]:
        session = room.writer(request)
        held = room.queue.undo(session.rater, now=room.clock())
        return {"next": f"/review/{held.key}" if held else None}


def _reading_routes(router: APIRouter, room: Room) -> None:
    @router.get("/progress")
    def progress(request: Request) -> Response:
        session = room.session(request)
        frame = _frame(room, session)
        return room.pages.page("progress.html", figures=room.progress(), **frame)

    @router.get("/progress/figures")
    def figures(request: Request) -> Response:
        room.session(request)
        return room.pages.page("figures.html", figures=room.progress())

    @router.get("/image/{sha256}")
    def image(sha256: str, request: Request, seal: str = "") -> Response:
        sealed = bool(seal) and same(seal, room.seals.image(sha256))
        if not sealed:
            room.session(request)
        ref = room.queue.image(sha256)
        if ref is None:
            return JSONResponse({"error": "no task shows this image"}, status_code=404)
        try:
            data = room.pictures.bytes(ref)
        except BadFileError as error:
            return JSONResponse({"error": str(error)}, status_code=404)
        headers = {"cache-control": "private, max-age=86400, immutable"}
        if sealed:  # the pages of the tool that has the address
            headers["cross-origin-resource-policy"] = "cross-origin"
            headers["access-control-allow-origin"] = "*"  # Label Studio fetches, not just shows
        return Response(data, media_type=ref.media_type, headers=headers)


def _frame(room: Room, session: Session) -> dict[str, Any]:
    """What the frame around every page shows."""
    brief = room.queue.brief(session.rater)
    return {
        "rater": session.rater,
        "forgery_token": room.seals.forgery_token(session),
        "brief": brief,
        "percent": math.floor(100 * brief.done / brief.tasks) if brief.tasks else 0,
    }


def _shown(held: Held) -> dict[str, Any]:
    """A task as the page shows it: no id, no stratum, no gold."""
    return {
        "key": held.key,
        "role": held.role,
        "task": held.task,
        "saved": held.draft,
        "votes": [_vote(held, vote) for vote in held.votes],
        "verdicts": VERDICTS,
        "axes": AXIS_HINTS,
        "skip_reasons": SKIP_REASONS,
        "flag_reasons": FLAG_REASONS,
    }


def _vote(held: Held, vote: Decision) -> dict[str, Any]:
    text = held.task.options.get(vote.answer, vote.answer)
    return {"decision": vote, "answer_text": text}
