"""YOLOv5: the official numbers, plain references for its parts, and files of every kind."""
import datetime
import json
import sys
import types
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from datasets.crops.images import read_image
from nets.detectors.yolov5 import SIZES, YOLOv5, decode, fuse, set_precision
from nets.detectors.yolov5_weights import load_yolov5
from processors.detection.letterbox import plan_letterbox


def deterministic(net, gain):
    """The recipe of the golden numbers: every tensor drawn from its name."""
    state = {}
    for key, value in net.state_dict().items():
        shape = tuple(value.shape)
        z = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape)
        z = np.float32(z)
        if key.endswith("running_var"):
            z = np.exp(0.1 * z)
        elif key.endswith("num_batches_tracked"):
            z = np.zeros(shape)
        elif len(shape) == 1:
            z = 0.1 * z + key.endswith(".weight")
        else:
            z = z * np.float32(np.sqrt(gain / np.prod(shape[1:])))
        if not key.endswith("anchors"):
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
    keys = {key: [list(value.shape), str(value.dtype).split(".")[1]]
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

def foreign_class(monkeypatch, where):
    """A module class under the name of one of the official code."""
    module_name, _, class_name = where.rpartition(".")
    part = type(class_name, (nn.Module,), {"__module__": module_name, "__qualname__": class_name})
    monkeypatch.setitem(sys.modules, module_name.split(".")[0], types.ModuleType("package"))
    monkeypatch.setitem(sys.modules, module_name, types.ModuleType(module_name))
    setattr(sys.modules[module_name], class_name, part)
    return part


@pytest.fixture
def published(nano, tmp_path, monkeypatch):
    """Writes a file as people download it: a pickled fp16 module tree of classes not ours."""
    def write(names=("person", "dog") + 78 * ("x",), where="models.yolo.DetectionModel",
              **entries):
        part = foreign_class(monkeypatch, where)
        root = part()
        for key, value in nano.state_dict().items():
            *path, last = key.split(".")
            place = root
            for word in path:
                if word not in place._modules:
                    place.add_module(word, part())
                place = place._modules[word]
            buffer = "running" in last or last in ("anchors", "num_batches_tracked")
            place.register_buffer(last, value) if buffer else place.register_parameter(
                last, nn.Parameter(value))
        root.names = names
        entries = {"epoch": -1, "model": root.half(), "optimizer": None} | entries
        torch.save(entries, tmp_path / "yolov5n.pt")
        monkeypatch.delitem(sys.modules, where.rpartition(".")[0])     # it is not needed to read
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
    assert same(load_yolov5(published(where="models.yolo.Model")), nano)
    for names in (7, ["person"], 80 * [1]):
        assert load_yolov5(published(names)).class_names == ()


def test_the_averaged_weights_of_a_training_count(published, nano):
    other = YOLOv5("yolov5n")
    assert same(load_yolov5(published(ema=dict(other.state_dict()))), other)
    assert same(load_yolov5(published(ema=None)), nano)


def test_what_a_training_stores_beside_the_weights_is_passed_over(published, nano):
    beside = {"best_fitness": np.float64(0.5), "date": datetime.datetime(2024, 1, 2),
              "opt": {"weights": Path("yolov5n.pt"), "lr": 0.1}, "fitness": np.ones(4)}
    assert same(load_yolov5(published(**beside)), nano)


@pytest.mark.parametrize("where, words", [
    ("ultralytics.nn.tasks.PoseModel", "a whole YOLO network.*not even if it finds.*ONNX export"),
    ("models.yolo.SegmentationModel", "a whole YOLO network"),
    ("models_of_others.Net", "models_of_others.Net besides weights and was not loaded"),
])
def test_other_classes_are_named(published, where, words):
    refused(published(where=where), words)


@pytest.mark.parametrize("new_format", [True, False])
def test_state_dicts(nano, tmp_path, new_format):
    path, state = tmp_path / "x.pth", nano.state_dict()
    for content in (state, {"model": state}, {"state_dict": state},
                    {f"module.{key}": value for key, value in state.items()},
                    {f"model.{key}": value for key, value in state.items()}):
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
                    {"model.0.conv.weight": torch.ones(16, 3, 6, 6),
                     "model.24.m.0.bias": torch.ones(1).expand(2 ** 40)}):
        torch.save(content, path)
        refused(path, "holds no YOLOv5 network")
    state = nano.state_dict()
    for change in ({"extra.weight": torch.ones(1)}, {"model.0.bn.bias": torch.ones(17)},
                   {"model.24.anchors": torch.ones(4, 3, 2)},
                   # 4 terabytes if anyone touched them
                   {"model.0.bn.bias": torch.ones(1).expand(2 ** 40)}):
        torch.save({**state, **change}, path)
        refused(path, f"1 tensors .*: {next(iter(change))}")
    torch.save({**state, "model.0.bn.num_batches_tracked": torch.ones(5)}, path)
    assert same(load_yolov5(path), nano)
    del state["model.0.bn.bias"]
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


@pytest.mark.parametrize("change, words", [
    (lambda x: x * float("nan"), "not finite.*bn.bias"),
    (lambda x: x + float("inf"), "not finite"),
    (lambda x: x.double() + 1e300, "not finite"),       # in float32
    (lambda x: x.to(torch.complex64), "complex64.*plain float32"),
    (lambda x: x.long(), "int64"), (lambda x: x > 0, "bool"),
    (lambda x: x.to_sparse(), "sparse"), (lambda x: x.to("meta"), "meta"),
])
def test_weights_that_find_nobody_are_refused(nano, tmp_path, change, words):
    state = nano.state_dict()
    state["model.0.bn.bias"] = change(state["model.0.bn.bias"])
    torch.save(state, tmp_path / "x.pt")
    refused(tmp_path / "x.pt", words)


def test_names_that_are_no_text(tmp_path, monkeypatch):
    part = foreign_class(monkeypatch, "models.common.Conv")()
    for name in (7, b"weight", None, (1, 2)):
        part._parameters[name] = nn.Parameter(torch.ones(1))
        part._modules[name] = 5
        torch.save({"model": part}, tmp_path / "x.pt")
        refused(tmp_path / "x.pt", "no YOLOv5 network")
