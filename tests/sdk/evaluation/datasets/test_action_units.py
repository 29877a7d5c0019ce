"""RAVDESS action units: layout, names, ranges, damaged tables."""

from __future__ import annotations

import numpy as np
import pytest

from mer_sdk.errors import DataError
from mer_sdk.evaluation.datasets.action_units import COLUMNS, read_action_units

TAKE = "01-01-05-02-01-01-16"


def table(rows, columns=(*COLUMNS, "speech", "name", "path", "index")):
    return "\n".join([";".join(columns), *(";".join(map(str, row)) for row in rows)]) + "\n"


def values(offset=0.0):
    return [0.01 * i + offset for i in range(35)]


def test_values_are_read_by_column_name_and_speech_is_left_out(tmp_path):
    columns = ("speech", *reversed(COLUMNS), "name")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "action_units.csv").write_text(table([[0.9, *reversed(values()), TAKE]], columns))
    units = read_action_units(tmp_path)
    assert list(units) == ["01-05-02-01-01-16"]
    assert units["01-05-02-01-01-16"].dtype == np.float32
    np.testing.assert_allclose(units["01-05-02-01-01-16"], values(), atol=1e-6)


def test_layout_has_17_intensities_and_18_presences():
    assert len(COLUMNS) == 35
    assert [c for c in COLUMNS if c.endswith("_r")] == list(COLUMNS[:17])
    assert {c[:4] for c in COLUMNS[17:]} - {c[:4] for c in COLUMNS[:17]} == {"AU28"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty or lacks the columns AU01_r"),
        (table([]), "a header and no rows"),
        (table([[*values(), 0, TAKE, "", 0]]).replace("AU45_c", "AU46_c"), "lacks the columns AU45_c"),
        (table([values()[:20]]), r":2 is truncated"),
        (table([[*values()[:-1], "x", 0, TAKE, "", 0]]), r":2 is truncated or not readable"),
        (table([[*values(), 0, "somebody", "", 0]]), "is no RAVDESS name"),
        (table([[*values(4.95), 0, TAKE, "", 0]]), r"AU\d\d_r = 5\.\d+, allowed is 0 to 5"),
        (table([[*values()[:-1], 1.5, 0, TAKE, "", 0]]), r"AU45_c = 1\.5, allowed is 0 to 1"),
        (table([[*values()[:-1], "nan", 0, TAKE, "", 0]]), r"AU45_c = nan"),
        (table([[*values(), 0, TAKE, "", 0], [*values(), 0, TAKE.replace("01-", "03-", 1), "", 1]]), "second time"),
    ],
)
def test_damaged_tables_are_named(tmp_path, text, message):
    path = tmp_path / "action_units.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_action_units(path)


def test_missing_or_binary_tables(tmp_path):
    with pytest.raises(DataError, match=r"holds no action_units\.csv"):
        read_action_units(tmp_path)
    (tmp_path / "action_units.csv").write_bytes(b"\xff\xfe\x00" * 10)
    with pytest.raises(DataError, match="not UTF-8"):
        read_action_units(tmp_path)


def test_the_published_table(shared_data):
    units = read_action_units(shared_data / "ravdess")
    assert len(units) == 1200
    assert all(np.isfinite(values).all() for values in units.values())
