"""The picture in README.md is what the renderer draws today."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from teamclaude.deck.text.spans import line
from tests.deck.screenshot import PICTURE, picture, svg


@pytest.mark.usefixtures("utc")
def test_the_committed_picture_is_what_the_renderer_draws() -> None:
    assert PICTURE.read_text("utf-8") == picture(), "run: make screenshot"


def test_the_picture_is_well_formed_and_shows_every_text_at_its_column() -> None:
    root = ElementTree.fromstring(svg([line("a <b>  ", ("c & d", "good")), line("├─ e")]))
    texts = [
        (node.text, node.get("x"), node.get("class"))
        for node in root.iter("{http://www.w3.org/2000/svg}text")
    ]
    assert texts[1:] == [("a <b>", "0", None), ("c & d", "58.8", "good"), ("e", "25.2", None)]
