from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from depth_perception.evaluation.evaluator import EvaluationSettings, evaluate
from depth_perception.evaluation.holdout import Holdout
from depth_perception.evaluation.live import LiveStatistics
from depth_perception.evaluation.machine import versions
from depth_perception.evaluation.report import format_figure, render, write_report

VOID = {"meta", "img", "br", "link", "hr"}


class Page(HTMLParser):
    """Checks nesting and collects what a browser would show."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.images, self.words, self.tags = [], set(), [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        self.ids |= {given["id"]} if "id" in given else set()
        if tag == "a":
            self.links.append(given["href"])
        if tag == "img":
            self.images.append((given["src"], given.get("alt")))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def result(recording):
    settings = EvaluationSettings(
        recording,
        models=("fast", "peer:nearest"),
        holdout=Holdout(),
        parameters={"depth.max": 50.0},
    )
    return evaluate(settings)


@pytest.fixture(scope="module")
def live():
    statistics = LiveStatistics()
    for index in range(5):
        statistics.arrival("/camera/image", "image", index, index * 0.1)
        statistics.arrival("/depth/image_rect", "depth", index, index * 0.1 + 0.03)
        statistics.completed({"decode": 0.002, "complete": 0.011}, 0.99, 0.005, "fast")
    statistics.drops({"overwritten": 3})
    return statistics.as_dict()


def test_page_is_well_formed_with_every_section(result):
    page = Page(render(result))
    assert {"summary", "frames", "range", "uncertainty", "pictures", "inputs", "parameters", "definitions"} <= page.ids
    assert "live" not in page.ids
    assert all(link[1:] in page.ids for link in page.links)


def test_page_needs_nothing_from_outside(result):
    text = render(result)
    page = Page(text)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert "http" not in re.sub(r"data:image/[^\"]+", "", text)
    assert all(source.startswith("data:image/") for source, _ in page.images)


def test_every_picture_decodes_and_is_described(result):
    page = Page(render(result))
    # per frame: image, input, truth, and per model depth, error, deviation (not of a peer), cloud
    frames = len(result.best) + len(result.worst)
    assert len(page.images) >= frames * (3 + 4 + 3) + 5
    for source, description in page.images:
        kind, _, content = source.partition(";base64,")
        assert kind in ("data:image/png", "data:image/jpeg")
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert description


def test_page_tells_figures_parameters_versions_and_machine(result):
    text = Page(render(result)).text
    figures = result.totals["fast", "ground truth"].figures()
    assert format_figure("mae", figures["mae"]) in text
    assert "points:0.2" in text
    assert "/lidar/points" in text
    assert "50.0 m" in text
    for name, version in versions().items():
        assert f"{name} {version}" in text
    assert "Processor" in text


def test_changed_parameters_are_marked(result):
    marked = re.findall(r'<tr class="changed"><td class="name">([^<]+)', render(result))
    assert marked == ["depth.max"]


def test_live_section_only_when_there_is_one(result, live):
    page = Page(render(result, live))
    assert "live" in page.ids
    for words in ("/depth/image_rect", "overwritten", "image to depth", "30.0", "11.0"):
        assert words in page.text


def test_names_are_escaped(result):
    before = result.recording["name"]
    result.recording["name"] = "<script>alert(1)</script>&"
    try:
        text = render(result)
    finally:
        result.recording["name"] = before
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_partial_result_says_so(result):
    result.partial = "interrupted"
    try:
        assert "Partial result (interrupted)" in Page(render(result)).text
    finally:
        result.partial = ""


def test_interrupted_before_the_first_frame_still_makes_a_page(recording):
    empty = evaluate(EvaluationSettings(recording, models=("fast",)), should_stop=lambda: True)
    assert empty.frames == 0
    assert "No frame was scored" in Page(render(empty)).text


def test_several_models_are_compared_and_one_is_not(result, recording):
    page = Page(render(result))
    assert "comparison" in page.ids
    assert "fast ÷ peer:nearest" in page.text
    assert "The mean absolute error of fast is" in page.text
    assert {"fast: dense depth", "peer:nearest: dense depth"} <= {description for _, description in page.images}
    alone = Page(render(evaluate(EvaluationSettings(recording, models=("fast",), frames=1))))
    assert "comparison" not in alone.ids
    assert "Dense depth" in {description for _, description in alone.images}


def test_many_models_stand_below_each_other(recording):
    models = ("fast", "diffusion", "peer:nearest", "peer:linear")
    page = Page(render(evaluate(EvaluationSettings(recording, models=models, frames=1))))
    assert [description for _, description in page.images].count("Dense depth") == len(models)


def test_what_was_not_evaluated_is_listed_with_its_reason(result):
    result.skip("no_transform", "points: frame 'lidar' is <unknown>")
    try:
        assert "points: frame 'lidar' is <unknown>" in Page(render(result)).text
    finally:
        result.skipped.clear()
        result.messages.clear()


def test_files_are_written_and_pictures_open(result, live, tmp_path):
    written = write_report(result, tmp_path, live)
    assert written["report"] == [tmp_path / "report.html"]
    assert json.loads((tmp_path / "live.json").read_text()) == json.loads(json.dumps(live))
    assert {path.name for path in written["data"]} == {"scores.json", "per_frame.csv", "timing.json", "live.json"}
    names = {path.name for path in written["pictures"]}
    assert {"best_fast.png", "best_fast_cloud.png", "worst_peer_nearest.png", "best_side_by_side.png"} <= names
    for path in written["pictures"]:
        assert cv2.imread(str(path)).std() > 5


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("mae", 0.01234, "0.0123"),
        ("mae", 12.3456, "12.346"),
        ("irmse", 1234.56, "1234.6"),
        ("delta1", 0.98765, "98.77 %"),
        ("mae", float("nan"), "–"),
        ("mae", None, "–"),
        ("bias", -0.5, "-0.5000"),
    ],
)
def test_format_figure(key, value, text):
    assert format_figure(key, value) == text
