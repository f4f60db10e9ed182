"""Odd YAML is one sentence, soon, whatever it is: no traceback, no hang, no memory."""
import time

import pytest

from configs.loader import ConfigError, load_config, with_overrides
from configs.schema import Config
from configs.strict_yaml import MOST_BYTES, parse_yaml, read_yaml


def aliases(levels: int) -> str:
    """A list of 10 ** levels values in some hundred bytes."""
    first = "&v0 [x, x, x, x, x, x, x, x, x, x]"
    return "[" + ", ".join([first, *(f"&v{i} [{', '.join([f'*v{i - 1}'] * 10)}]"
                                     for i in range(1, levels))]) + "]"


ODD = {
    "aliases": (f"seed: {aliases(12)}", "more than 20000 values, aliases counted"),
    "few aliases": (f"seed: {aliases(6)}", "more than 20000 values"),
    "many values": (f"seed: [{'1,' * 21000}]", "more than 20000 values"),
    "in itself": ("seed: &a [*a]", "alias *a within what it stands for"),
    "mapping in itself": ("data: &a {x: *a}", "alias *a within what it stands for"),
    "deep": (f"seed: {'[' * 500}{']' * 500}", "more than 20 brackets or sections within each"),
    "never closed": (f"seed: {'[' * 50000}", "more than 20 brackets"),
    "deep mappings": ("{a: " * 5000, "more than 20 brackets"),
    "deep sections": ("\n".join(" " * i + "a:" for i in range(500)), "line 20 has more than 20"),
    "dashes": ("- " * 5000, "more than 20 brackets"),
    "long text": (f"model_name: {'x' * 20000}", "a text of 20000 characters; write at most 10000"),
    "long number": (f"optim: {{epochs: {'9' * 5000}}}", "a number of 5000 characters"),
    "hexadecimal": (f"optim: {{lr: 0x{'f' * 5000}}}", "a number of 5002 characters"),
    "sexagesimal": (f"optim: {{epochs: 1{':59' * 3000}}}", "a number of 9001 characters"),
    "octal": ("optim: {epochs: 010}", "line 1 has the number 010, which YAML reads as 8"),
    "base of 60": ("seed: 1:30", "line 1 has the number 1:30, which YAML reads as 90; write a"),
    "negative and broken": ("seed: -1:30.5", "has the number -1:30.5, which YAML reads as -90.5"),
    "400 digits": (f"optim: {{lr: {'9' * 400}}}",
                   "optim.lr is a number of some 400 digits; write a number that is not so large"),
    "400 epochs": (f"optim: {{epochs: {'9' * 400}}}", "a number of some 400 digits; it must lie"),
    "infinite": ("optim: {lr: 1e999}", "optim.lr is inf; it must be above 0"),
    "tag": ("seed: !!int ''", "the tag !!int is not read here"),
    "tag of a set": ("seed: !!set {a, b}", "the tag !!set is not read here"),
    "own tag": ("seed: !me 1", "the tag !me is not read here"),
    "key is a list": ("{[a]: 1, [b]: 2}", "a key that is a list or a mapping; write a name"),
    "key is a mapping": ("{{a: 1}: 1}", "a key that is a list or a mapping"),
    "long key": (f"? |\n {'k' * 9000}\n: 1", "there is no key kkk"),
    "odd key": ('"a\\nb": 1', "there is no key a\\nb; the keys here are"),
    "equal keys": ("1: a\ntrue: b", "has the key 1 twice"),
    "a key twice": ("optim: {}\nseed: 1\noptim:\n  lr: 1",
                    "line 3 has the key optim twice, for it stands in line 1 already; keep one"),
    "a list as text": ('codec: {input_size: "[64,64]"}',
                       "codec.input_size is '[64,64]'; write the list without quotes"),
    "time": ("seed: 2001-12-14t21:59:43.10-99:59", "not valid YAML"),
    "date": ("model_name: 2024-01-01", 'model_name is 2024-01-01; write text, here "2024-01-01"'),
    "two documents": ("seed: 1\n---\nseed: 2", "not valid YAML"),
    "unknown alias": (f"seed: *{'b' * 5000}", "not valid YAML"),
    "NUL": ('data: {train_ann_path: "a\\0b"}', "without line breaks and other characters"),
    "half a letter": ('val: {boxes: "\\ud800"}', "val.boxes is '\\ud800'; write it without"),
    "long path": (f"val: {{weight_path: {'x' * 5000}}}", "has 5000 characters; write at most 1000"),
    "an extra set": ("data: {extra_sets: [{ann_path: a, img_root: b, category: 1e400}, 3]}",
                     "data.extra_sets[1] is 3"),
    "gpus": (f"gpus: [{'1,' * 9000}]", "gpus is [1, 1, 1, 1, 1, 1, ...]; name each"),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_file_is_one_short_sentence(case, tmp_path):
    text, words = ODD[case]
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    before = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert words in message and message.startswith(str(path)) and message.isprintable()
    assert len(message) < 600 + len(str(path)) and time.process_time() - before < 20


@pytest.mark.parametrize("override, words", [
    (f"seed={'[' * 5000}", "more than 20 brackets"), (f"seed={aliases(12)}", "more than 20000"),
    (f"{'a.' * 20000}b=1", "there is no key a;"), (f"{'x' * 90000}=1", "there is no key xxx"),
    ("x" * 90000, "overrides look like"), ("seed=!!int ''", "not valid YAML"),
    ("model_name='a\x1bb'", "not valid YAML"), ("gpus=[[0]]", "gpus is [0]; write a whole number"),
    (".seed=1", "there is no key ;"), ("data.extra_sets=[[]]", "data.extra_sets[0] is []"),
    ("val.box_score=.nan", "val.box_score is nan"), (f"seed=1{':59' * 200}", "characters; write"),
])
def test_an_odd_override_is_one_short_sentence(override, words):
    with pytest.raises(ConfigError) as caught:
        with_overrides(Config(), [override], "run.yaml")
    message = str(caught.value)
    assert words in message and message.startswith("the command line")
    assert len(message) < 600 and message.isprintable()


def test_a_file_of_another_kind_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "run.yaml"
    with path.open("wb") as file:
        file.truncate(10 ** 9)
    with pytest.raises(ConfigError, match="has more than 1 MB, which is no file of settings"):
        read_yaml(path)
    path.write_bytes(b"seed: 1\n" + b"#" * (MOST_BYTES - 9))
    assert read_yaml(path) == {"seed": 1}


@pytest.mark.parametrize("text, content", [
    ("a: &x [1, 2]\nb: *x", {"a": [1, 2], "b": [1, 2]}), ("a: !!str 1", {"a": "1"}),
    ("\ufeffa: 1\r\n", {"a": 1}), ("a: {b: {c: [[[1]]]}}", {"a": {"b": {"c": [[[1]]]}}}),
    ("", None), (f"a: {'x' * 9000}", {"a": "x" * 9000})])
def test_what_people_write_is_read(text, content):
    assert parse_yaml(text) == content
