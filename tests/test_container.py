"""The Dockerfile, which no daemon builds here: its lines fit the project, and fall into no trap.

And what docs/container.md says of /dev/shm.
"""
import re
import shlex
from pathlib import Path

import pytest

from configs.loader import load_config
from configs.schema import Config
from datasets import shared_memory

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/container.md").read_text(encoding="utf-8")
DOCKERS = 64_000_000        # bytes of /dev/shm, unless told otherwise


def lines() -> list[tuple[str, str]]:
    """Instruction and what follows it, of each line that goes on in none."""
    text = re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip())
            for line in text.splitlines() if line.strip()]


def test_the_base_is_one_version_of_a_python_that_the_project_is_for():
    (first, base), *others = lines()
    assert first == "FROM" and "FROM" not in dict(others)
    version = re.fullmatch(r"python:3\.(\d+)\.\d+-slim-\w+", base)
    lowest, highest = re.search(r"Python 3\.(\d+) to 3\.(\d+)",
                                (ROOT / "README.md").read_text(encoding="utf-8")).groups()
    assert int(lowest) <= int(version[1]) <= int(highest)


def test_only_known_instructions_in_an_order_that_keeps_the_packages_when_code_changes():
    names = [name for name, _ in lines()]
    assert set(names) <= {"FROM", "ARG", "WORKDIR", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT"}
    copies = [words for name, words in lines() if name == "COPY"]
    assert copies == ["requirements.txt ./", ". ./"]
    assert names.index("RUN") < len(names) - 1 - names[::-1].index("COPY")
    for name, words in lines():
        if name == "RUN" and "pip" in words:
            assert words.count("pip install") == words.count("pip install --no-cache-dir")
        assert not re.search(r"latest|sudo|curl|wget|chmod 777", words)


def test_each_argument_is_used_and_the_program_is_there():
    for name, words in lines():
        if name == "ARG":
            assert f"${{{words.partition('=')[0]}" in TEXT
    last, words = lines()[-1]
    assert last == "ENTRYPOINT"
    program, script = shlex.split(words.strip("[]").replace(",", ""))
    assert program == "python" and (ROOT / script.removeprefix("/simplepose/")).is_file()


def test_it_does_not_run_as_root_and_works_in_a_folder_that_anybody_may_write():
    found = lines()
    assert [words for name, words in found if name == "USER"] == ["nobody"]
    assert [words for name, words in found if name == "WORKDIR"] == ["/simplepose", "/work"]
    assert any("mkdir --mode=777 /work" in words for name, words in found if name == "RUN")


def test_what_git_leaves_out_stays_outside_but_the_weights_that_it_has():
    kept = {line.strip("/").replace("!/", "!") for line in
            (ROOT / ".gitignore").read_text().splitlines() if line.startswith("!")}
    ignored = set((ROOT / ".dockerignore").read_text().splitlines())
    assert kept <= ignored and {"data", "weights/*", ".git", "mlruns"} <= ignored
    for path in ("main.py", "configs", "requirements.txt", "processors"):
        assert path not in ignored


class Reading:
    """A loader of more batches than it reads ahead."""
    def __init__(self, config: Config, batch_size: int):
        self.dataset = type("Set", (), {"geometry": config.codec})
        self.num_workers, self.prefetch_factor = config.data.num_workers, 2
        self.batch_size = batch_size

    def __len__(self) -> int:
        return 1000


@pytest.mark.parametrize("recipe, fits", [("quickstart", True), ("dp_fast_pose", False)])
def test_the_page_says_for_which_recipes_docker_s_shared_memory_is_too_small(recipe, fits):
    config = load_config(ROOT / f"configs/{recipe}.yaml")
    sizes = config.data.batch_size, config.val.batch_size or config.data.batch_size
    needed = shared_memory.QUEUES + sum(shared_memory._read_ahead(Reading(config, size))
                                        for size in sizes)
    assert (needed < DOCKERS) == fits
    if fits:
        assert f"enough for the quickstart ({needed / 1e6:.0f} MB)" in PAGE
    assert "--shm-size 8g" in PAGE and needed < 8e9
