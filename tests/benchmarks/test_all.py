"""The table of `python -m benchmarks.all`, and what counts as a benchmark that failed."""
import json
from pathlib import Path

import pytest

from benchmarks import all as all_benchmarks
from benchmarks.all import BENCHMARKS, cells, main, plain_table, run, write

LINES = [
    {"benchmark": "a_speed", "name": "loop / bare", "value": 1.029, "unit": "", "at_most": 1.03,
     "ok": True},
    {"benchmark": "a_speed", "name": "times as fast", "value": 9.5, "unit": "", "at_least": 10.0,
     "ok": False},
    {"benchmark": "b", "name": "start", "value": 3.25, "unit": "s", "ok": True}]


def test_the_table_shows_value_bar_and_whether_it_is_kept():
    assert cells(LINES)[1:] == [
        ("a_speed", "loop / bare", "1.029", "at most 1.03", "yes"),
        ("a_speed", "times as fast", "9.5", "at least 10", "NO"),
        ("b", "start", "3.25 s", "-", "-")]
    assert plain_table(LINES).splitlines()[1] == (
        "a_speed    loop / bare    1.029   at most 1.03  yes")


def test_lines_and_table_are_kept_beside_those_of_other_benchmarks(tmp_path, monkeypatch):
    monkeypatch.setattr(all_benchmarks, "BENCHMARKS", {"a_speed": [], "b": []})
    page, path = tmp_path / "page.md", tmp_path / "speed.jsonl"
    page.write_text("<!-- speed -->\n<!-- end of speed -->\n")
    write(LINES[2:], path, page)
    assert "Not measured yet: a_speed; `python -m benchmarks.all --write a_speed`" in (
        page.read_text())
    for lines in (LINES, LINES[:2]):    # then the first benchmark alone, again
        write(lines, path, page)
        kept = [json.loads(line) for line in path.read_text().splitlines()]
        assert [line["name"] for line in kept] == [line["name"] for line in LINES]
        assert all(line["torch"] and line["processor"] and line["date"] for line in kept)
        text = page.read_text()
        assert "Not measured" not in text
        assert "| a_speed | loop / bare | 1.029 | at most 1.03 | yes |" in text
        assert text.count("| b | start | 3.25 s | - | - |") == 1


def test_a_benchmark_that_is_not_there_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["oks_sped"])
    assert "there is no benchmark oks_sped" in capsys.readouterr().err


def test_every_benchmark_is_there():
    folder = Path(all_benchmarks.__file__).parent
    assert all((folder / f"{name}.py").is_file() for name in BENCHMARKS)


@pytest.mark.parametrize("code, good", [
    ("print(LINE)", True), ("print('log'); print(LINE); sys.exit(1)", False),
    ("print(BAD); sys.exit(1)", True), ("print(BAD)", False), ("pass", False),
    ("print(LINE); 1 / 0", False)])
def test_a_benchmark_fails_that_ends_early_or_says_nothing(tmp_path, monkeypatch, code, good):
    package = tmp_path / "benchmarks"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "small.py").write_text(
        f"import sys\nLINE, BAD = {json.dumps(LINES[0])!r}, {json.dumps(LINES[1])!r}\n{code}\n")
    monkeypatch.setattr(all_benchmarks, "ROOT", tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert run("small", [])[1] is good


@pytest.mark.parametrize("lines, good, status", [
    (LINES[::2], True, 0), (LINES, True, 1), (LINES[::2], False, 1)])
def test_the_status_tells_whether_all_is_well(monkeypatch, capsys, lines, good, status):
    monkeypatch.setattr(all_benchmarks, "BENCHMARKS", {"a_speed": []})
    monkeypatch.setattr(all_benchmarks, "run", lambda name, options: (lines, good))
    assert main([]) == status
    assert "loop / bare" in capsys.readouterr().out
