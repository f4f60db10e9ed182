import pytest

from configs.loader import (
    ConfigError,
    config_from_dict,
    config_to_dict,
    load_config,
    with_overrides,
)
from configs.schema import Config


@pytest.fixture
def write(tmp_path):
    """Writes a YAML file and gives its path."""
    def write(text: str):
        path = tmp_path / "run.yaml"
        path.write_text(text, encoding="utf-8")
        return path
    return write


@pytest.mark.parametrize("text, override, section, name, value", [
    ("optim: {lr: 1e-3}", "", "optim", "lr", 1e-3),         # which YAML reads as a string
    ("optim: {lr: 1}", "", "optim", "lr", 1.0),
    ("seed: 1", "optim.lr=1e-4", "optim", "lr", 1e-4),
    ("optim: {lr: 5}", "optim.lr=0.25", "optim", "lr", 0.25),
    ("data: {debug: 64}", "", "data", "debug", 64),
    ("data: {debug: 64}", "data.debug=false", "data", "debug", False),
    ("data: {debug: False}", "", "data", "debug", False),
    ("optim: {amp: on}", "", "optim", "amp", True),
    ("optim: {amp: bf16}", "", "optim", "amp", "bf16"),
    ("model: {pretrained: a.pth}", "", "model", "pretrained", "a.pth"),
    ("model: {pretrained: yes}", "", "model", "pretrained", True),
    ("seed: 1", "val.weight_path=a=b", "val", "weight_path", "a=b"),
    ("seed: 1", "optim.milestones=[3,4]", "optim", "milestones", (3, 4)),
    ("seed: 1", "optim.milestones=3,4", "optim", "milestones", (3, 4)),
    ("seed: 1", "optim.milestones=", "optim", "milestones", ()),
    ("codec: {input_size: [288, 384]}", "", "codec", "input_size", (288, 384)),
    ("seed: 1", "data={batch_size: 6}", "data", "batch_size", 6),
    ("val: {nms: none}", "", "val", "nms", "none"),
])
def test_values_arrive_in_their_type(write, text, override, section, name, value):
    config = load_config(write(text), [override] if override else [])
    found = getattr(getattr(config, section), name)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("text, gpus", [
    ("gpus: [0, 1]", (0, 1)), ("gpus: 4,5,6,7", (4, 5, 6, 7)), ('gpus: "4, 5"', (4, 5)),
    ("gpus: 4", (4,)), ('gpus: "4"', (4,)), ("gpus:", ()), ("gpus: []", ()), ('gpus: ""', ()),
    ("gpus: [0]\nprocessor: ddp", (0,)),
])
def test_gpus_take_the_forms_in_use(write, text, gpus):
    assert load_config(write(text)).gpus == gpus


def test_later_overrides_win_and_leave_the_rest(write):
    config = load_config(write("seed: 3\noptim: {lr: 0.1, epochs: 7}"),
                         ["optim.lr=0.2", "optim.lr=0.3", "gpus="])
    assert (config.seed, config.optim.lr, config.optim.epochs) == (3, 0.3, 7)


@pytest.mark.parametrize("text, words", [
    ("", "holds no settings"), ("- 1", "holds no settings"), ("[", "not valid YAML"),
    ("\tseed: 1", "not valid YAML"), ("seed: 2024-13-45", "not valid YAML"),
    ("seed: !!python/object/apply:os.getcwd []", "not valid YAML"), ("\0", "not valid YAML"),
    ("seed: 1\nseed: 2", "has the key seed twice"),
    ("optim: {lr: 1, lr: 2}", "has the key lr twice"),
    ("data: &a {batch_size: 4}\noptim:\n  <<: *a", "line 3 on merges other settings in (<<)"),
    ("sed: 1", "no key sed; did you mean seed?"),
    ("optim: {mile_stones: [1]}", "optim.mile_stones; did you mean optim.milestones?"),
    ("batch_size: 3", "no key batch_size; did you mean data.batch_size?"),
    ("optim: {xyz: 1}", "no key optim.xyz; the keys here are epochs, optimizer"),
    ("1: 2", "no key 1;"), ("data:", "data is a section"), ("data: 3", "data is a section"),
    ("seed: true", "seed is True; write a whole number"),
    ("seed: 1.0", "seed is 1.0; write a whole number"),
    ("seed: '1'", "seed is '1'; write a whole number"),
    ("seed:", "seed is empty; write a whole number"),
    ("optim: {epochs: 1e2}", "optim.epochs is '1e2'; write a whole number"),
    ("optim: {lr: true}", "optim.lr is True; write a number"),
    ("optim: {lr: fast}", "optim.lr is 'fast'; write a number"),
    ("optim: {lr: {x: 1}}", "optim.lr is {'x': 1}; write a number"),
    ("optim: {sync_bn: 1}", "optim.sync_bn is 1; write true or false"),
    ("optim: {amp: fp61}", "'fp61'; write true or false or fp16 or bf16"),
    ("optim: {amp: 1}", "optim.amp is 1; write true or false or fp16 or bf16"),
    ("model: {type: pose_resnet}", "choose pose_resnet_duc or pose_resnet_dconv or pose_hrnet"),
    ("val: {nms: null}", "val.nms is empty; choose oks or soft_oks or none"),
    ("model_name: 123", "model_name is 123; write text"),
    ("gpus: a,b", "gpus is 'a'; write a whole number"), ("gpus: true", "gpus is True"),
    ("gpus: '4,[5'", "gpus is '[5'; write a whole number"),
    ("codec: {input_size: [192]}", "has 1 values; write 2 of them"),
    ("codec: {input_size: [192, 256.0]}", "codec.input_size is 256.0; write a whole number"),
    ("optim: {lr: 0}", "optim.lr is 0.0; it must be above 0"),
    ("augment: {scale: 1}", "below 1, where persons would shrink to nothing"),
    ("detector: {confidence: 7}", "detector.confidence is 7.0; it must lie between 0 and 1"),
    ("detector: {image_size: 0}", "detector.image_size is 0; it must lie between 32 and"),
    ("model: {type: pose_resnet}", "(did you mean pose_resnet_duc?)"),
    ("model: {name: resnet51}", "pose_resnet_duc knows: resnet18, resnet34"),
    ("codec: {input_size: 192x256}", "'192x256'; write two whole numbers, such as [192, 256]"),
    ("gpus: cpu", "gpus is 'cpu'; write a whole number or a list of them, [] for none"),
    ("model_name: 2024", 'model_name is 2024; write text, here "2024"'),
])
def test_what_is_wrong_is_one_sentence_with_file_and_key(write, text, words):
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert words in message and message.startswith(str(path)) and "\n" not in message


@pytest.mark.parametrize("override, words", [
    ("seed", "the command line has 'seed'; overrides look like"), ("=3", "overrides look like"),
    ("other.yaml", "(and the YAML file comes before them)"),
    ("optim.lr=", "the command line: optim.lr is empty"),
    ("optim.lr=[", "whose value is not valid YAML"),
    ("seed=2024-13-45", "whose value is not valid YAML"),
    ("optim={lr: 1, lr: 2}", "the command line has 'optim={lr: 1, lr: 2}'"),
    ("optim=3", "the command line: optim is a section"),
    ("optim.lr.x=1", "the command line: optim.lr is {'x': 1}"),
    ("optm.lr=1", "the command line: there is no key optm; did you mean optim?"),
    ("optim.lr=-1", "the command line: optim.lr is -1.0"),
    ("optim={lr: -1}", "the command line: optim.lr is -1.0"),
    ("model_name=2024", """model_name is 2024; write text, here '"2024"'"""),
    ("data.extra_sets=[{category: -1, ann_path: a, img_root: b}]",
     "the command line: data.extra_sets[0].category is -1"),
])
def test_a_wrong_override_is_blamed_on_the_command_line(write, override, words):
    with pytest.raises(ConfigError) as caught:
        load_config(write("seed: 1"), [override])
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_an_empty_override_takes_text_back_and_an_empty_line_of_a_file_does_not(write):
    path = write("data: {train_pack: crops.pack}")
    assert load_config(path, ["data.train_pack="]).data.train_pack == ""
    with pytest.raises(ConfigError, match="data.train_pack is empty; write text"):
        load_config(write("data: {train_pack: }"))


def test_a_wrong_file_is_not_blamed_on_the_command_line(write):
    path = write("optim: {lr: 0}")
    with pytest.raises(ConfigError, match=f"^{path}: optim.lr"):
        load_config(path, ["seed=1"])


def test_all_that_is_wrong_is_said_at_once_each_with_its_place(write):
    path = write("optim: {lr: 0, ema: 2}")
    with pytest.raises(ConfigError) as caught:
        load_config(path, ["val.interval=0"])
    first, second, third = str(caught.value).split(". ")
    assert first.startswith(f"{path}: optim.lr is 0.0;")
    assert second.startswith(f"{path}: optim.ema is 2.0;")
    assert third.startswith("the command line: val.interval is 0;")
    with pytest.raises(ConfigError, match="and 2 more are wrong$"):
        load_config(path, [f"log.every={number}" for number in (0,)] + [
            "val.interval=0", "val.nms_threshold=2", "seed=-1", "detector.iou=9"])


def test_a_missing_file_is_said_with_the_nearest_one(write):
    path = write("seed: 1")
    with pytest.raises(FileNotFoundError, match=r"does not exist: did you mean .*run\.yaml\?"):
        load_config(path.with_name("runn.yaml"))
    with pytest.raises(FileNotFoundError, match="give the path of a YAML file"):
        load_config(path.with_name("none_of_this"))
    with pytest.raises(FileNotFoundError):
        load_config(path.parent)        # a folder


def test_bytes_that_are_no_text_are_one_sentence(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config(path)


def test_a_config_survives_the_way_through_plain_containers(write):
    config = load_config(write("gpus: 0,1\noptim: {milestones: [1, 2], amp: fp16}\nresume: true"))
    plain = config_to_dict(config)
    assert plain["gpus"] == [0, 1] and plain["optim"]["milestones"] == [1, 2]
    assert config_from_dict(plain, "checkpoint") == config
    assert config_from_dict({}, "checkpoint") == Config()


def test_a_stored_config_is_read_as_strictly():
    with pytest.raises(ConfigError, match="old.pth: there is no key optim.lrr"):
        config_from_dict({"optim": {"lrr": 1}}, "old.pth")


def test_a_stored_config_may_hold_anything():
    doubled: list = [1]
    for _ in range(30):
        doubled = [doubled, doubled]
    doubled.append(doubled)
    for raw in ({"seed": doubled}, {"gpus": doubled}, {"val": {"metrics": doubled}},
                {"val": doubled}, {"model": {"type": doubled}}, {"data": {"extra_sets": doubled}},
                {10 ** 6000: 1}, {"seed": 10 ** 6000}, {"model_name": "x" * 10 ** 7},
                {"x" * 10 ** 7: 1}, [1], None, "text", {"gpus": [0] * 10 ** 5}, {None: 1}):
        with pytest.raises(ConfigError, match="^old.pth: ") as caught:
            with_overrides(config_from_dict(raw, "old.pth"), (), "old.pth")
        assert len(str(caught.value)) < 600


def test_what_is_there_but_no_file_is_not_said_to_be_missing(tmp_path):
    for path in (tmp_path, "/dev/null"):
        with pytest.raises(FileNotFoundError, match="is no file, but a folder or a device"):
            load_config(path)
