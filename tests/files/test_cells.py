"""Cells of CSV files: nothing in them is a formula, and all of them are read back."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlkit.files.cells import cell, text_of_cell

near_formulas = st.text(st.sampled_from("'=+-@\t\r1.e \n,\"a"), max_size=6)


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "-cmd", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''@x", "-1.5'"])
def test_a_formula_gets_an_apostrophe(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["", "cat", "-1.5", "+2", "1e-3", "-1E+5", "-inf", "nan", "'tis", "a=1", " =1", "O'Neil"]
)
def test_other_texts_and_numbers_stay(text):
    assert cell(text) == text


@given(st.text() | near_formulas)
def test_every_text_is_read_back(text):
    assert text_of_cell(cell(text)) == text


@given(st.text() | near_formulas)
def test_no_cell_begins_like_a_formula_unless_it_is_a_number(text):
    shown = cell(text)
    if shown[:1] in ("=", "@", "\t", "\r", "+", "-"):
        assert float(shown) is not None


@given(st.lists(near_formulas, min_size=1))
def test_rows_survive_a_csv_file(row):
    stream = io.StringIO(newline="")
    csv.writer(stream).writerow([cell(each) for each in row])
    stream.seek(0)
    assert [text_of_cell(each) for each in next(csv.reader(stream))] == row
