"""Folders for a while."""

from pathlib import Path

import pytest

from mer_sdk.jobs.temporary import temporary_folder


def test_a_temporary_folder_is_gone_whatever_ends_the_block(tmp_path: Path) -> None:
    def interrupted() -> None:
        with temporary_folder("mer-", tmp_path) as folder:
            (folder / "deep").mkdir()
            (folder / "deep" / "file").write_text("")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
