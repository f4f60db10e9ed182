"""stdout that is closed, full, or has lost its reader: a sentence or silence."""
import subprocess
import sys

import pytest

from utils.files import ROOT

SAY = ("from utils.log import log, show, show_log; show_log(); log.info('a line'); show('words'); "
       "log.info('another'); open('end', 'w').close()")


def run(words: str, redirected: str, folder) -> subprocess.CompletedProcess:
    command = f"{words} {redirected}"
    return subprocess.run(["bash", "-c", command], cwd=folder, text=True, capture_output=True,
                          env={"PYTHONPATH": str(ROOT), "PATH": "/bin:/usr/bin"}, timeout=60)


@pytest.mark.parametrize("redirected, status, said, to_the_end", [
    (">&-", 0, "", True), ("2>&-", 0, "", True),
    ("> /dev/full", 1, "No space left on device: 'stdout'", False),
    ("| true; exit ${PIPESTATUS[0]}", 141, "", False)])
def test_a_log_that_nobody_takes(tmp_path, redirected, status, said, to_the_end):
    if redirected.startswith("|"):
        redirected = f"| (exec <&-; sleep 0.1) {redirected[6:]}"
    done = run(f'{sys.executable} -c "import time; time.sleep(0.5); {SAY}"', redirected, tmp_path)
    assert done.returncode == status and said in done.stderr
    assert said or done.stderr == ""
    assert (tmp_path / "end").exists() == to_the_end


@pytest.mark.parametrize("words, redirected, status, said", [
    ("info --keys", ">&-", 0, ""), ("info --keys", "2>&-", 0, ""),
    ("info --keys", "> /dev/full", 2, "error: stdout: No space left on device: make room"),
    ("info --keys", "| (exec <&-; sleep 1); exit ${PIPESTATUS[0]}", 141, ""),
    ("--help", "> /dev/full", 2, "error: stdout: No space left on device: make room"),
    ("--help", "| true", None, ""),
    ("nowhere.yaml", "> /dev/full", 2, "error: configuration nowhere.yaml does not exist")])
def test_a_command_whose_words_nobody_takes(tmp_path, words, redirected, status, said):
    done = run(f"{sys.executable} {ROOT}/main.py {words}", redirected, tmp_path)
    assert status is None or done.returncode == status
    assert said in done.stderr and "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr and done.stderr.count("\n") <= 1
