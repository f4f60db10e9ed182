"""The loop on a handful of drawn people: what it writes, how it goes on, when it stops."""
import pytest
import torch

from configs.loader import load_config
from processors.models.checkpoint import load_checkpoint, previous
from processors.runtime.stop import Stopped
from processors.training.ema import ModelEma
from processors.training.pose_processor import PoseProcessor
from processors.training.rates import learning_rate
from processors.training.train_step import TrainStep
from tests.processors.training.written import equal, lines, weights
from tests.runs.small_run import small_net


def test_a_run_writes_what_the_readme_promises(tiny, tmp_path):
    best = tiny().run()
    folder = tmp_path / "weights"
    assert {path.name for path in folder.iterdir()} >= {
        "quickstart_last.pth", "quickstart_best.pth", "quickstart_curves.png",
        "quickstart_val.jpg", "quickstart_results.json", "metrics.jsonl"}
    val = lines(folder, "val")
    assert [(row["epoch"], row["weights"]) for row in val] == [
        (1, "net"), (1, "ema"), (2, "net"), (2, "ema")]
    assert all(name in val[0] for name in ("AP", "AP50", "AP75", "AP(M)", "AP(L)", "AR"))
    assert best["AP"] == max(row["AP"] for row in val)
    assert not list(folder.glob("*.tmp"))


def test_rate_average_and_buffers_are_those_of_the_step(tiny, tmp_path, monkeypatch):
    followed, shared, update = [], [], ModelEma.update
    monkeypatch.setattr(ModelEma, "update", lambda self, step: (
        followed.append(step), update(self, step)))
    processor = tiny(**{"optim.warmup_epochs": 1, "val.save_steps": 2})
    monkeypatch.setattr(processor.parallel, "broadcast_buffers", shared.append)
    processor.run()
    steps, optim = processor.steps_per_epoch, processor.config.optim
    assert followed == list(range(2 * steps))
    assert [row["lr"] for row in lines(tmp_path / "weights", "train")] == [
        learning_rate(step, steps, optim) for step in range(2 * steps)]
    assert shared == 2 * [processor.net, processor.averaged.net]    # before each evaluation
    last = tmp_path / "weights" / "quickstart_last.pth"
    assert load_checkpoint(last)["evaluated"] == 2
    assert load_checkpoint(previous(last))["step"] == 2 * steps     # not yet evaluated


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_resumed_run_ends_with_the_same_weights(tiny, tmp_path, monkeypatch, steps):
    tiny(**{"val.weight_path": tmp_path / "whole"}).run()
    with monkeypatch.context() as patch:
        def die(*args):
            if interrupted.state.step == steps:
                raise RuntimeError("killed")
            return TrainStep.__call__(*args)
        patch.setattr("processors.training.pose_processor.TrainStep", type("Dying", (TrainStep,), {
            "__call__": die}))
        interrupted = tiny(**{"val.save_steps": 1})
        with pytest.raises(RuntimeError, match="killed"):
            interrupted.run()
    tiny(**{"val.save_steps": 1, "data.num_workers": 1}).run()
    assert equal(weights(tmp_path / "whole" / "quickstart_last.pth"),
                 weights(tmp_path / "weights" / "quickstart_last.pth"))


def test_a_stop_in_an_evaluation_saves_the_epoch(tiny, tmp_path, monkeypatch):
    processor = tiny()      # val.save_minutes is 0

    def stopped(*_):
        raise Stopped(143)
    monkeypatch.setattr(processor.evaluation, "run", stopped)
    with pytest.raises(Stopped):
        processor.run()
    state = load_checkpoint(tmp_path / "weights" / "quickstart_last.pth")
    assert (state["step"], state["evaluated"]) == (processor.steps_per_epoch, 0)


def test_going_on_needs_no_first_weights(tiny, tmp_path):
    wanted = []

    def net(config, **_):
        wanted.append(config.pretrained)
        return small_net(config)
    tiny(**{"optim.epochs": 1}).run()
    tiny(net=net, **{"model.pretrained": tmp_path / "gone.pth"})
    assert wanted == [False]


def test_another_network_cannot_go_on(tiny):
    tiny(**{"optim.epochs": 1}).run()
    with pytest.raises(ValueError, match="cannot go on with model.reduction = True"):
        tiny(**{"model.reduction": True}).run()


def test_scale_and_random_numbers_go_on(tiny, tmp_path):
    settings = {"optim.amp": "fp16", "optim.epochs": 1, "codec.input_size": [32, 32]}
    processor = tiny(**settings)
    processor.train_step.scaler = torch.amp.GradScaler("cpu", init_scale=2.0 ** 7)
    torch.rand(1)       # or the same state would follow from the seed alone
    processor.run()
    state = torch.load(tmp_path / "weights" / "quickstart_last.pth", weights_only=True)
    torch.manual_seed(99)
    assert tiny(**settings).train_step.scaler.get_scale() == 2.0 ** 7
    assert torch.equal(torch.get_rng_state(), state["random"])


def test_a_run_goes_on_in_another_precision(tiny):
    """Without fp16 there is no scale to go on with, and with it there is none to keep."""
    for epochs, amp in enumerate((False, "fp16", "bf16"), 1):
        tiny(**{"optim.epochs": epochs, "optim.amp": amp, "val.interval": 9,
                "codec.input_size": [32, 32]}).run()


def test_pieces_that_a_small_data_set_cannot_fill_are_refused(tiny):
    with pytest.raises(ValueError, match="optim.accumulate is 97, which does not divide the"):
        tiny(**{"data.batch_size": 97 * 600, "optim.accumulate": 97})


def test_batches_beyond_the_memory_are_refused(tiny, monkeypatch):
    monkeypatch.setattr("processors.runtime.torch_errors.machine_memory", lambda: 1e4)
    with pytest.raises(ValueError, match=r"4 persons at once take more than 0.0 GB .*batch_size"):
        tiny()


def test_torchrun_with_dp_is_refused(tiny, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="processor is dp, which is one process, but 2 were"):
        tiny()


def test_accumulation_equals_the_larger_batch(tiny):
    """With batch norm in evaluation mode; its statistics are those of the pieces."""
    nets = []
    for pieces in (1, 2):
        processor = tiny(**{"optim.accumulate": pieces})
        batch = next(iter(processor.loader))
        processor.net.eval()
        processor.train_step(batch, 0.0, measure=False)
        nets.append([p.grad.clone() for p in processor.net.parameters()])
    for one, two in zip(*nets, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_the_classic_yaml_and_snippet_run_as_they_are(tiny, tmp_path):
    """The keys that people of this project know; only paths and sizes differ."""
    yaml = tmp_path / "dp.yaml"
    yaml.write_text("model_name: fast_pose_dp\ndata:\n  debug: False\nmodel:\n"
                    "  type: pose_resnet_duc\n  name: resnet18\n  num_joints: 17\n"
                    "  pretrained: False\n  reduction: True\noptim:\n  lr: 0.001\n  amp: False\n"
                    "  milestones: [120,160]\n  epochs: 1\n  gamma: 0.1\nval:\n  interval: 1\n"
                    "  weight_path: weights\ngpus: []\n")
    tiny(config=yaml, net=None, **{"optim.epochs": 1}).run()
    assert (tmp_path / "weights" / "fast_pose_dp_best.pth").is_file()


def test_debug_uses_only_so_many_samples(tiny):
    processor = tiny(**{"data.debug": 3})
    assert len(processor.train_set) == len(processor.evaluation.dataset) == 3


def test_missing_paths_are_named():
    config = load_config("configs/quickstart.yaml", ["data.val_img_root=''"])
    with pytest.raises(ValueError, match="data.val_img_root is not set"):
        PoseProcessor(config)


def test_the_last_epochs_of_a_run_are_the_weaker_ones(tiny):
    people = tiny(**{"augment.weak_epochs": 1, "augment.weak": 0, "augment.rotation_prob": 1,
                     "optim.epochs": 3}).train_set
    turned = [people._plan((epoch, 2))[1].rotation != 0 for epoch in range(3)]
    assert turned == [True, True, False]


def test_broken_validation_images_are_named_once_and_end_no_run(tiny, tmp_path, capsys):
    settings = {f"data.val_{key}": tmp_path / "val" / name
                for key, name in (("ann_path", "people.json"), ("img_root", "images"))}
    run = tiny(**settings, **{"data.skip_broken": True})
    broken = run.evaluation.dataset.path(0)
    broken.write_bytes(b"")
    run.run()
    said = f"going on without the broken image {broken} (1 so far)"
    assert capsys.readouterr().out.count(said) == 1
    assert (tmp_path / "weights" / "quickstart_val.jpg").stat().st_size


def test_a_run_whose_results_are_empty_is_not_called_finished_before(tiny, monkeypatch, capsys):
    """As when all predictions are NaN, after an epoch that this very command trained."""
    tiny(**{"optim.epochs": 1}).run()
    processor = tiny()
    to_results = processor.evaluation.to_results
    monkeypatch.setattr(processor.evaluation, "to_results",
                        lambda people: to_results(people.take(people.index < 0)))
    processor.run()
    assert "the run is finished" not in capsys.readouterr().out
    tiny().run()
    assert "the run is finished; resume=false" in capsys.readouterr().out
