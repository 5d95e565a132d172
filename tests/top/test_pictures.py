"""The pictures in the documents are what the program draws."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.top import pictures

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"


def words_of(picture: str) -> list[tuple[str, ...]]:
    """What stands where: place and text of each word."""
    elements = ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314 - our own
    return [(e.attrib.get("x", ""), e.attrib.get("y", ""), e.text or "") for e in elements]


@pytest.mark.parametrize("name", pictures.SIZES)
async def test_pictures_are_up_to_date(name: str) -> None:
    """Drawn again, each word is where it is in the document's picture.

    If not: `python -m tests.top.pictures docs/pictures`.
    """
    drawn = await pictures.draw(pictures.SIZES[name])
    kept = (FOLDER / name).read_text(encoding="utf-8")
    assert words_of(drawn) == words_of(kept)


@pytest.mark.parametrize("name", pictures.SIZES)
def test_pictures_stand_alone(name: str) -> None:
    """They load nothing from anywhere, and nothing in them is wider than the screen."""
    kept = (FOLDER / name).read_text(encoding="utf-8")
    assert "url(http" not in kept
    assert "href" not in kept
    width = pictures.SIZES[name][0]
    assert max(float(x) for x, _, text in words_of(kept) if x) < width * pictures.CELL
