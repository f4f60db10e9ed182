"""YOLOv5: the official numbers, plain references for its parts, and files of every kind."""
import json
import sys
import types
import zlib

import numpy as np
import pytest
import torch
from torch import nn

from datasets.crops.images import read_image
from nets.detectors.yolov5 import SIZES, YOLOv5, decode, fuse, set_precision
from nets.detectors.yolov5_weights import load_yolov5, official_name
from nets.files.unpickle import read_pickled
from processors.prediction.letterbox import plan_letterbox


def deterministic(net, gain):
    """The recipe of the golden numbers: every tensor drawn from its official name."""
    state = {}
    for key, value in net.state_dict().items():
        name, shape = official_name(net, key), tuple(value.shape)
        z = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
        z = np.float32(z)
        if name.endswith("running_var"):
            z = np.exp(0.1 * z)
        elif name.endswith("num_batches_tracked"):
            z = np.zeros(shape)
        elif len(shape) == 1:
            z = 0.1 * z + name.endswith(".weight")
        else:
            z = z * np.float32(np.sqrt(gain / np.prod(shape[1:])))
        if not name.endswith("anchors"):
            state[key] = torch.as_tensor(z, dtype=value.dtype)
    net.load_state_dict(state, strict=False)
    return net.eval()


@pytest.fixture(scope="module")
def nano():
    """A network with live outputs, on a machine without the golden numbers, too."""
    return deterministic(YOLOv5("yolov5n"), 2.6)


def run(net, images):
    with torch.inference_mode():
        return net(images)


def golden(shared, name):
    return json.loads((shared / "golden" / "networks" / name).read_text())


# ---- numbers

@pytest.mark.parametrize("name, gain, step", [("yolov5n", 2.6, 1), ("yolov5s", 2.55, 3)])
def test_outputs_equal_the_official_ones(shared, name, gain, step):
    net = deterministic(YOLOv5(name), gain)
    images = torch.from_numpy(np.float32(
        np.random.default_rng(20240102).random((1, 3, 320, 320))))
    stored = np.load(shared / "golden" / "networks" / "yolo_pred.npz")
    expected = stored[name if step == 1 else f"{name}_every{step}"]
    for form in (net, fuse(net)):
        found = run(form, images)[:, ::step].numpy()
        assert np.abs(found[..., :4] - expected[..., :4]).max() < 0.05
        assert np.abs(found[..., 4:] - expected[..., 4:]).max() < 1e-4


@pytest.mark.parametrize("name", ["yolov5n", "yolov5s"])
def test_names_shapes_and_size_are_the_official_ones(shared, name):
    net = YOLOv5(name)
    keys = {official_name(net, key): [list(value.shape), str(value.dtype).split(".")[1]]
            for key, value in net.state_dict().items()}
    official = golden(shared, f"keys_{name}.json")
    assert keys == {key: [shape, dtype] for key, shape, dtype in official}
    info = golden(shared, "info.json")["nets"][name]
    assert sum(value.numel() for value in net.parameters()) == info["n_params"]


@pytest.mark.parametrize("name, parameters", [
    ("yolov5n", 1_872_157), ("yolov5s", 7_235_389), ("yolov5m", 21.2e6), ("yolov5l", 46.5e6),
    ("yolov5x", 86.7e6)])
def test_sizes(name, parameters):
    with torch.device("meta"):
        net = YOLOv5(name)
    assert sum(value.numel() for value in net.parameters()) == pytest.approx(parameters, rel=2e-3)


def test_the_published_network_gives_the_official_rows(shared):
    net = load_yolov5(shared / "data" / "weights" / "yolov5n.pt")
    assert net.name == "yolov5n" and len(net.class_names) == 80 and net.class_names[0] == "person"
    stored = json.loads((shared / "data" / "golden" / "yolov5n_bus_zidane.json").read_text())
    for name, expected in stored.items():
        image = read_image(shared / "data" / "images" / name)
        pixels = plan_letterbox(image.shape[1::-1]).apply(image)
        images = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
        assert list(images.shape) == expected["letterboxed_shape"]
        assert images.mean().item() == pytest.approx(expected["input_mean"], abs=1e-4)
        rows = run(net, images)[0]
        assert list(rows.shape) == expected["raw_shape"]
        for place, row in expected["rows"].items():
            assert rows[int(place), :4] == pytest.approx(row[:4], abs=0.05)
            assert rows[int(place), 4:] == pytest.approx(row[4:], abs=1e-4)


def test_decoding_like_a_plain_loop():
    generator = np.random.default_rng(1)
    classes, height, width, stride = 2, 2, 3, 16
    raw = generator.normal(0, 2, (1, 3 * (5 + classes), height, width))
    anchors = generator.random((3, 2)) + 1
    found = decode(torch.from_numpy(raw), torch.from_numpy(anchors), stride)[0].numpy()
    chance = 1 / (1 + np.exp(-raw[0].reshape(3, 5 + classes, height, width)))
    rows = []
    for a in range(3):
        for y in range(height):
            for x in range(width):
                s = chance[a, :, y, x]
                rows.append([(2 * s[0] + x - 0.5) * stride, (2 * s[1] + y - 0.5) * stride,
                             4 * s[2] ** 2 * anchors[a, 0] * stride,
                             4 * s[3] ** 2 * anchors[a, 1] * stride, *s[4:]])
    assert found == pytest.approx(np.array(rows))


def test_every_image_of_a_batch_for_itself(nano):
    images = torch.rand(3, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    together = run(nano, images)
    assert together.shape == (3, 3 * (8 * 12 + 4 * 6 + 2 * 3), 85)
    for image, rows in zip(images, together, strict=True):
        assert torch.allclose(run(nano, image[None])[0], rows, rtol=1e-4, atol=1e-3)
    assert together[..., 4:].std() > 0.05        # these weights answer something


def test_fused_and_bf16_networks(nano):
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    other = YOLOv5("yolov5n").eval()
    other.load_state_dict(nano.state_dict())
    expected = run(nano, images)
    assert torch.allclose(run(fuse(other), images), expected, rtol=1e-3, atol=1e-2)
    rows = run(set_precision(other, torch.bfloat16), images.bfloat16())
    assert rows.dtype == torch.float32
    # the best boxes stay within some pixels; the outputs themselves are not rounded to bf16
    assert (rows[..., 4] - expected[..., 4]).abs().mean() < 0.02
    assert not torch.equal(rows, rows.bfloat16().float())


# ---- files

class Part(nn.Module):
    """Stands for the classes of the official code."""


Part.__module__, Part.__qualname__ = "models_of_yolo", "Part"


@pytest.fixture
def published(nano, tmp_path, monkeypatch):
    """Writes a file as people download it: a pickled fp16 module tree of classes not ours."""
    def write(names=("person", "dog") + 78 * ("x",), **entries):
        module = types.ModuleType("models_of_yolo")
        module.Part = Part
        monkeypatch.setitem(sys.modules, "models_of_yolo", module)
        root = Part()
        for key, value in nano.state_dict().items():
            *path, last = official_name(nano, key).split(".")
            place = root
            for word in path:
                if word not in place._modules:
                    place.add_module(word, Part())
                place = place._modules[word]
            buffer = "running" in last or last in ("anchors", "num_batches_tracked")
            place.register_buffer(last, value) if buffer else place.register_parameter(
                last, nn.Parameter(value))
        root.names = names
        torch.save({"epoch": -1, "model": root.half(), "optimizer": None, **entries},
                   tmp_path / "yolov5n.pt")
        monkeypatch.delitem(sys.modules, "models_of_yolo")
        return tmp_path / "yolov5n.pt"
    return write


def same(found, net):
    ours = net.state_dict()
    return all(torch.allclose(value.float(), ours[key].float(), rtol=1e-3, atol=1e-4)
               for key, value in found.state_dict().items())


def test_a_pickled_module(published, nano):
    net = load_yolov5(published())
    assert same(net, nano) and not net.training and net.class_names[:2] == ("person", "dog")
    assert {value.dtype for value in net.parameters()} == {torch.float32}
    numbered = {number: f"class {number}" for number in range(80)}
    assert load_yolov5(published(numbered)).class_names == tuple(numbered.values())
    for names in (7, ["person"], 80 * [1]):
        assert load_yolov5(published(names)).class_names == ()


def test_the_averaged_weights_of_a_training_count(published, nano):
    other = YOLOv5("yolov5n")
    state = {official_name(other, key): value for key, value in other.state_dict().items()}
    assert same(load_yolov5(published(ema=state)), other)
    assert same(load_yolov5(published(ema=None)), nano)


@pytest.mark.parametrize("new_format", [True, False])
def test_state_dicts(nano, tmp_path, new_format):
    path, state = tmp_path / "x.pth", nano.state_dict()
    official = {official_name(nano, key): value for key, value in state.items()}
    for content in (state, official, {"model": official}, {"state_dict": state},
                    {f"module.{key}": value for key, value in official.items()},
                    {f"model.model.{key}": value for key, value in official.items()}):
        torch.save(content, path, _use_new_zipfile_serialization=new_format)
        assert same(load_yolov5(path), nano)


def test_safetensors(nano, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file(nano.state_dict(), tmp_path / "x.safetensors")
    assert same(load_yolov5(tmp_path / "x.safetensors", "yolov5n"), nano)


def test_own_classes(tmp_path):
    net = YOLOv5("yolov5n", num_classes=1)
    torch.save(net.state_dict(), tmp_path / "x.pt")
    found = load_yolov5(tmp_path / "x.pt")
    assert found.num_classes == 1 and same(found, net)


def refused(path, words, name=""):
    with pytest.raises(ValueError, match=words) as caught:
        load_yolov5(path, name)
    assert str(path) in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_another_size_than_named(nano, tmp_path):
    path = tmp_path / "x.pt"
    torch.save(nano.state_dict(), path)
    assert load_yolov5(path, "yolov5n").name == "yolov5n"
    for name in set(SIZES) - {"yolov5n"}:
        refused(path, f"holds yolov5n, but detector.name is {name}", name)


def test_files_that_are_no_detector(nano, tmp_path):
    path = tmp_path / "x.pt"
    for content in ({}, [1, 2], torch.ones(3), {"fc.weight": torch.ones(2, 2)}, {"model": None},
                    {"model.0.conv.weight": torch.tensor(1.0)},
                    {"model.0.conv.weight": torch.ones(16), "model.24.m.0.bias": torch.ones(9)},
                    {"stem.conv.weight": torch.ones(16, 3, 6, 6),
                     "outputs.0.bias": torch.ones(1).expand(2 ** 40)}):
        torch.save(content, path)
        refused(path, "holds no YOLOv5 network")
    state = nano.state_dict()
    for change in ({"extra.weight": torch.ones(1)}, {"stem.norm.bias": torch.ones(17)},
                   {"anchors": torch.ones(4, 3, 2)},
                   # 4 terabytes if anyone touched them
                   {"stem.norm.bias": torch.ones(1).expand(2 ** 40)}):
        torch.save({**state, **change}, path)
        refused(path, f"1 tensors .* first {next(iter(change))}")
    torch.save({**state, "stem.norm.num_batches_tracked": torch.ones(5)}, path)
    assert same(load_yolov5(path), nano)
    del state["stem.norm.bias"]
    torch.save(state, path)
    refused(path, "does not fit yolov5n")
    path.write_bytes(path.read_bytes()[:100_000])
    refused(path, "cannot be read")
    path.write_text("<html>404</html>")
    refused(path, "cannot be read")
    with pytest.raises(FileNotFoundError, match="there is no weights file .*yolov5s.pt"):
        load_yolov5(tmp_path / "nothing.pt")


def test_the_real_file_cut_anywhere(shared, tmp_path):
    content = (shared / "data" / "weights" / "yolov5n.pt").read_bytes()
    for size in (0, 100, 10_000, len(content) // 2, len(content) - 30):
        (tmp_path / "x.pt").write_bytes(content[:size])
        refused(tmp_path / "x.pt", "cannot be read")
    assert isinstance(read_pickled(shared / "data" / "weights" / "yolov5n.pt"), dict)
