"""The version stands in one place, and in all that is to be understood later."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
import yaml

import main
from configs import version
from configs.version import VERSION, commit, made_by

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder that is taken for the project's."""
    monkeypatch.setattr(version, "ROOT", tmp_path)
    version.version.cache_clear()
    yield tmp_path
    version.version.cache_clear()


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=folder,
                          text=True, capture_output=True, check=True).stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_that_of_the_project_s_own_folder(project):
    git(project, "init", "-q")
    assert (commit(), version.version()) == ("", VERSION)      # nothing is committed yet
    git(project, "commit", "-q", "--allow-empty", "-m", "a")
    version.version.cache_clear()
    assert commit() == git(project, "rev-parse", "HEAD")[:10]
    assert version.version() == f"{VERSION}+{commit()}"


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_repository_around_the_project_is_somebody_else_s(project, monkeypatch):
    git(project, "init", "-q")
    git(project, "commit", "-q", "--allow-empty", "-m", "a")
    (project / "copied").mkdir()
    monkeypatch.setattr(version, "ROOT", project / "copied")
    assert commit() == ""


def test_without_git_there_is_no_commit(project, monkeypatch):
    (project / ".git").mkdir()
    assert commit() == ""       # an empty folder of that name
    monkeypatch.setenv("PATH", str(project))
    assert commit() == "" and version.version() == VERSION


@pytest.mark.parametrize("gpus", [0, 2])
def test_the_command_says_what_there_is(capsys, monkeypatch, gpus):
    class About:
        name, total_memory = "a card", 80 * 2**30

    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: About)
    assert main.main(["--version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"SimplePose {made_by()['version']}"
    assert f"torch {torch.__version__}" in lines and lines[3].startswith("cpu: ")
    assert lines[4:] == [f"cuda:{i}: a card, 80 GiB" for i in range(2)] if gpus else (
        lines[4].startswith("no GPU"))


def test_the_changelog_begins_with_the_version_and_keeps_its_form():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased, *versions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert unreleased == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", one) for one in versions)
    assert versions[0].startswith(f"[{VERSION}]")
    for part in text.split("\n## ")[1:]:
        sections = re.findall(r"^### (.+)$", part, re.MULTILINE)
        assert len(set(sections)) == len(sections) and set(sections) <= set(SECTIONS)


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == VERSION and citation["license"] == "MIT"
    assert {"cff-version", "message", "title", "authors", "date-released"} <= citation.keys()
    dated = f"## [{VERSION}] - {citation['date-released']}"
    assert dated in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_workflow_runs_the_script_of_the_project():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    job, = workflow["jobs"].values()
    assert "bash .ci/run" in [step.get("run") for step in job["steps"]]
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])
               for step in job["steps"] if "uses" in step)
