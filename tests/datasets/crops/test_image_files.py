"""Which files of a list are not there, and why."""
import pytest

from datasets.crops.image_files import missing_files, spelled_otherwise


def test_missing_files_in_folders(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.jpg").touch()
    (tmp_path / "2.jpg").touch()
    names = ["a/1.jpg", "2.jpg", "a/2.jpg", "b/1.jpg", "1.jpg"]
    assert missing_files(tmp_path, names) == ["a/2.jpg", "b/1.jpg", "1.jpg"]


@pytest.mark.parametrize("names, hint", [
    (["a\\b.jpg", "a\\no.jpg"], "; 1 of them are there with / in the place of \\"),
    (["c/Mu\u0308ller.png"], "; they are there with letters written in another Unicode form"),
    (["A/B.jpg", "b.JPG"], ""), (["a/B.JPG"], "; they are there in another case"),
    (["x/M\u00dcLLER.PNG"], "; they are there without the folder in file_name, and"),
    (["no.jpg"], ""), (["x" * 10 ** 5 + "/" + "y" * 10 ** 5, "a\0/b.jpg"], "")])
def test_another_spelling_of_missing_names(tmp_path, names, hint):
    for name in ("a/b.jpg", "c/M\u00fcller.png", "m\u00fcller.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert missing_files(tmp_path, names) == names
    found = spelled_otherwise(tmp_path, names)
    assert found.startswith(hint) and bool(found) == bool(hint)
