"""Label Studio, both ways: tasks of a review queue out, what people decided there back in.

Pixels never travel: a task names its images by URL (our web application serves them). Gold
answers, strata and prototypes stay at home, and drafts are shown in tier 1 only, as on our own
page. Label Studio itself is not needed by this module.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from osler.core import ImageRef, InputError, content_hash, write_json, write_text
from osler.curate.annotate import AXES, VERDICTS, Task

PAGE = 1_000
"""Tasks in one file: larger imports have broken on its SQLite."""

CONFIG = "labelling.xml"
GRADES = ("0", "1", "2")
FLAG = "flag"
SUBJECT = "question"
"""The tag that every control refers to: a task may have no image, but always a question."""

ImageUrl = Callable[[ImageRef], str]


def sample_id(task_id: str) -> str:
    """The name of a task in Label Studio, which shows it: its own id could tell what it is."""
    return content_hash(["label studio", task_id], 16)


def choice(letter: str, text: str) -> str:
    """An option as it is shown and comes back: ``B. noise``."""
    return f"{letter}. {text}"


def export_tasks(tasks: Sequence[Task], folder: str | Path, *, image_url: ImageUrl) -> list[Path]:
    """Write ``tasks`` in pages of 1,000, and ``labelling.xml`` for the project, into ``folder``.

    ``image_url`` gives the address at which a browser finds an image; put a token into it if the
    server wants one. Returns the task files, in order.

    Raises
    ------
    InputError
        No tasks, two of one id, a folder with task files in it, or an image URL that is none.
    """
    place = Path(folder)
    if not tasks:
        raise InputError("there is nothing to export: the queue has no task that waits for people")
    if len({task.id for task in tasks}) < len(tasks):
        raise InputError("two tasks have the same id; ids of a queue are unique")
    if place.is_file():
        raise InputError(f"{place} is a file; give a folder for the tasks")
    if any(place.glob("tasks-*.json")):
        raise InputError(f"{place} holds an export already; give another folder or empty it")
    bodies = [task_body(task, image_url) for task in tasks]
    write_text(place / CONFIG, labelling_config(tasks))
    files = []
    for start in range(0, len(bodies), PAGE):
        files.append(place / f"tasks-{start // PAGE + 1:04d}.json")
        write_json(files[-1], bodies[start : start + PAGE])
    return files


def labelling_config(tasks: Sequence[Task]) -> str:
    """The labelling interface of a project for ``tasks``, as XML.

    Options differ from task to task, so choices are read from the task's data.
    """
    view = ET.Element("View")
    ET.SubElement(view, "Text", name=SUBJECT, value="$question")
    ET.SubElement(view, "Text", name="facts", value="$facts")
    most = max((len(task.images) for task in tasks), default=0)
    if most > 1:
        ET.SubElement(view, "Image", name="image", valueList="$images", zoom="true")
    elif most == 1:
        ET.SubElement(view, "Image", name="image", value="$image", zoom="true",
                      zoomControl="true", brightnessControl="true",
                      contrastControl="true")  # fmt: skip
    if any(task.options for task in tasks):
        _header(view, "Answer")
        ET.SubElement(view, "Choices", name="answer", toName=SUBJECT, value="$choices",
                      choice="single-radio")  # fmt: skip
    if any(not task.options for task in tasks):
        _header(view, "Answer in words")
        _words(view, "answer_text", 1)
    _header(view, "Quality of the image")
    _choices(view, "verdict", VERDICTS)
    _header(view, "Describe what you see")
    _words(view, "description", 4)
    for axis in AXES:
        _header(view, f"The draft's description: {axis} (0 poor, 1 partly, 2 good)")
        _choices(view, axis, GRADES)
    _header(view, "Is something wrong with the question or the image? Flag it and say what")
    _choices(view, FLAG, ("fine", FLAG))  # Label Studio refuses a single choice
    _words(view, "note", 1)
    ET.indent(view)
    return ET.tostring(view, encoding="unicode") + "\n"


def _header(view: ET.Element, words: str) -> None:
    ET.SubElement(view, "Header", value=words, size="5")


def _choices(view: ET.Element, name: str, values: Sequence[str]) -> None:
    control = ET.SubElement(view, "Choices", name=name, toName=SUBJECT, choice="single-radio",
                            showInline="true")  # fmt: skip
    for value in values:
        ET.SubElement(control, "Choice", value=value)


def _words(view: ET.Element, name: str, rows: int) -> None:
    ET.SubElement(view, "TextArea", name=name, toName=SUBJECT, rows=str(rows), maxSubmissions="1",
                  editable="true")  # fmt: skip


def task_body(task: Task, image_url: ImageUrl) -> dict[str, Any]:
    """One task as Label Studio imports it: data, and in tier 1 the draft as a prediction."""
    urls = [_address(image_url(ref), task) for ref in task.images]
    data: dict[str, Any] = {
        "sample_id": sample_id(task.id),
        "question": task.question,
        "facts": "; ".join(f"{name}: {value}" for name, value in task.facts.items()),
        "choices": [{"value": choice(k, text)} for k, text in task.options.items()],
        "image": urls[0] if urls else "",
        "images": urls,
        "tier": task.tier,
        "doubt": task.priority,
    }
    draft = task.draft if task.tier == 1 else {}
    result = _draft_results(task) if draft else []
    if not result:
        return {"data": data}
    prediction: dict[str, Any] = {"model_version": draft.get("by") or "draft", "result": result}
    if 0 <= task.priority <= 1:
        prediction["score"] = round(1 - task.priority, 6)
    return {"data": data, "predictions": [prediction]}


def _draft_results(task: Task) -> list[dict[str, Any]]:
    draft, found = task.draft, []
    answer = draft.get("answer", "")
    if answer in task.options:
        found.append(result("answer", "choices", [choice(answer, task.options[answer])]))
    elif answer and not task.options:
        found.append(result("answer_text", "textarea", [answer]))
    if draft.get("verdict") in VERDICTS:
        found.append(result("verdict", "choices", [draft["verdict"]]))
    if draft.get("description"):
        found.append(result("description", "textarea", [draft["description"]]))
    return found


def result(name: str, kind: str, values: Sequence[str]) -> dict[str, Any]:
    """One entry of a prediction or an annotation: ``kind`` is choices or textarea."""
    key = "choices" if kind == "choices" else "text"
    return {
        "id": content_hash([name, list(values)], 10),
        "from_name": name,
        "to_name": SUBJECT,
        "type": kind,
        "value": {key: list(values)},
    }


def _address(url: str, task: Task) -> str:
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and parts.netloc:
        return url
    if not parts.scheme and not parts.netloc and url.startswith("/"):
        return url
    raise InputError(
        f"{url[:80]!r} (an image of task {task.id!r}) is no address that a browser can fetch; "
        "give an http or https URL, not pixels or a file"
    )


def read_json(path: Path) -> Any:
    """The JSON of an export."""
    from osler.core import BadFileError

    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; give the file that Label Studio exported") from error
    except (OSError, ValueError, RecursionError) as error:
        raise BadFileError(
            path, "is no JSON", "export the project from Label Studio in the format JSON"
        ) from error
