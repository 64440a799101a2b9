"""Files are in their place once they are whole, whoever else writes the same one."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from afa_ray.whole_files import UNFINISHED, whole, write_whole


def test_what_stood_there_stays_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_whole(path, "before")

    def half() -> None:
        with whole(path) as unfinished:
            unfinished.write_text("half")
            assert unfinished.name.startswith(UNFINISHED)
            assert path.read_text() == "before"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert [file.name for file in tmp_path.iterdir()] == ["figures.json"]
    assert path.read_text() == "before"


def test_several_writers_of_one_file_do_not_take_it_from_each_other(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    texts = [f"{n}" * 100_000 for n in range(8)]

    def write(text: str) -> None:
        for _ in range(30):
            write_whole(path, text)
            assert path.read_text() in texts

    with ThreadPoolExecutor(len(texts)) as pool:
        list(pool.map(write, texts))
    assert [file.name for file in tmp_path.iterdir()] == ["figures.json"]
