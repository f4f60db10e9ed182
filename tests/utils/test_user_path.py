"""`~` is the home folder; what a shell would fill in is refused."""
import pytest

from utils.user_path import home_path, path_problem, user_path


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.mark.parametrize("text, path", [
    ("~/runs/pose", "{home}/runs/pose"), ("~", "{home}"), ("runs/~/x", "runs/~/x"), ("a~", "a~"),
    ("/data/x.json", "/data/x.json"), ("", ""), ("gt", "gt"), ("./~", "./~"), ("5$", "5$")])
def test_a_leading_tilde_is_the_home_folder(text, path, home):
    assert user_path(text) == path.format(home=home) == home_path(text)


@pytest.mark.parametrize("text, words", [
    ("$DATA/train", "'\\$DATA/train', and variables are not filled in here; write the path out"),
    ("runs/${USER}", "variables are not"), ("w/run_$JOB", "variables are not"),
    ("~nobody_of_that_name/x", "home folder of 'nobody_of_that_name' is not known; write")])
def test_what_would_make_a_folder_of_a_strange_name_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        user_path(text)


@pytest.mark.parametrize("name", ["$DATA", "~draft", "a$b"])
def test_what_is_there_may_be_called_as_it_likes(name, tmp_path):
    (tmp_path / name).mkdir()
    assert user_path(name) == name and not path_problem(name)
