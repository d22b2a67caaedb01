"""Names in CSV files are not formulas, and come back."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagseg.artifacts.area_csv import area_writer
from tagseg.artifacts.run_scores import LabelScores, RunScores, ScoredCut, SeedScores
from tagseg.artifacts.scores_table import write_scores_table
from tagseg.artifacts.spreadsheet import as_cell, from_cell
from tagseg.artifacts.tag_doubts_csv import TagDoubt, write_tag_doubts
from tagseg.classes import ClassTable

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "=cmd|' /C calc'!A0", "\uff1d1", "'", "'=1"]


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_becomes_text_and_comes_back(name):
    assert as_cell(name) == f"'{name}"
    assert from_cell(as_cell(name)) == name


@pytest.mark.parametrize("name", ["cat", "dog-1", "a=b", "0.5", "größe", "photos/a.jpg", ""])
def test_other_text_stays_as_it_is(name):
    assert as_cell(name) == name


@given(st.text())
def test_any_text_comes_back(text):
    cell = as_cell(text)
    assert from_cell(cell) == text
    assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_areas_hold_no_formula(tmp_path):
    with area_writer(tmp_path / "areas.csv", ClassTable(("=1+1", "cat"))) as add:
        add("@a.jpg", np.array([[0, 1, 2]], np.uint8))
    with (tmp_path / "areas.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert [row[:2] for row in rows] == [["'@a.jpg", "background"], ["'@a.jpg", "'=1+1"], ["'@a.jpg", "cat"]]


def test_scores_hold_no_formula(tmp_path):
    cut = ScoredCut(0.5, LabelScores(0.5, iou={"=1+1": 0.5}))
    write_scores_table(
        tmp_path / "scores.csv", RunScores(split="=val", seeds={"network": SeedScores(cut, sweep=(cut,))})
    )
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert {row[0] for row in rows} == {"'=val"}
    assert rows[-1][2:] == ["0.5", "iou of =1+1", "0.5"]


def test_tables_hold_names_that_are_not_text(tmp_path):
    write_tag_doubts(tmp_path / "tags.csv", [TagDoubt("a\udce9", "=cat", "wrong", 0.75)])
    assert (tmp_path / "tags.csv").read_text().splitlines() == [
        "image,tag,kind,doubt,x,y",
        "a\\udce9,'=cat,wrong,0.7500,,",
    ]
