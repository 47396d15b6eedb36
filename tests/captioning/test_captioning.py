"""Texts of pairs, and the captioners that give captions which exist already."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.captioners import CAPTIONERS
from captioning.captioners.contract import CleanImage
from captioning.captioners.sidecar import SidecarCaptioner
from captioning.text import join_text, split_text
from models.errors import UserError
from models.vocabulary import DEGRADATIONS


@given(st.text(), st.sampled_from(DEGRADATIONS))
def test_text_round_trips_even_with_colons_in_the_caption(caption: str, degradation: str) -> None:
    assert split_text(join_text(caption, degradation)) == (caption, degradation)


def test_a_missing_sidecar_caption_names_the_pair() -> None:
    with pytest.raises(UserError, match="no caption came with noisy/0"):
        SidecarCaptioner({}).caption([CleanImage("0" * 64, "noisy/0", None)])


def test_a_sidecar_captioner_is_known_by_its_captions() -> None:
    one, same, other = (SidecarCaptioner(c).revision for c in ({"a": "x", "b": "y"}, {"b": "y", "a": "x"}, {"a": "x"}))
    assert one == same != other


@pytest.mark.parametrize("name", CAPTIONERS)
def test_a_captioner_with_a_model_has_its_weights_pinned_to_a_commit(name: str) -> None:
    card = CAPTIONERS[name]
    assert (card.weights is None) == (card.revision is None) == (not card.needs_pixels)
    assert card.revision is None or (len(card.revision) == 40 and set(card.revision) <= set("0123456789abcdef"))
