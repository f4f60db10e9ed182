"""How near the training loop comes to the GPU's own rate when the real loader feeds it.

Called by benchmarks/gpu.py. ResNet-50 + DUC at 256x192 in bf16, compiled, with HRNet's
augmentation and averaged weights, on drawn images. `reading`: what the loader yields with nobody
computing, from image files and from both kinds of pack. `loop`: the loop of `main.py train` from
the raw pack, as a ratio to bare steps of its own compiled network on a batch that lies ready.
`evaluation`: with flip test and DARK, whole, of all people drawn for training, as a ratio to its
computing alone, and for COCO's val2017 beside an epoch of COCO in the loop.
"""
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from benchmarks.common import bare_step
from benchmarks.gpu_common import (
    COCO_PERSONS,
    COCO_VAL_PERSONS,
    STEPS,
    Report,
    ready_batch,
    recipe_hours,
    seconds_a_call,
)
from configs.loader import load_config
from configs.schema import Config
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO
from datasets.loaders import train_loader
from processors.dp_pose_resnet_solver import DPProcessor
from processors.evaluation.evaluation import Evaluation
from processors.jobs.pack import cores, make_pack
from processors.models.inference import Decoding, predict
from utils.errors import UserError

QUICKSTART = Path(__file__).resolve().parent.parent / "configs" / "quickstart.yaml"
BATCH = 256
EPOCHS, SKIPPED = 8, 3      # the first epochs compile and fill the queues
WORKERS = max(1, cores() - 2)


class TimedProcessor(DPProcessor):
    """Training that keeps the time of each epoch and leaves evaluations out."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.epoch_seconds: list[float] = []

    def train_epoch(self, epoch: int) -> None:
        since = time.perf_counter()
        super().train_epoch(epoch)
        torch.cuda.synchronize()
        self.epoch_seconds.append(time.perf_counter() - since)

    def finish_epoch(self, epoch: int) -> None:
        self.state.evaluated = epoch

    def say_the_end(self) -> None:
        pass


@contextmanager
def drawing(folder: Path, images: int) -> Iterator[Callable[[], Path]]:
    """Draw and pack in a process of its own; gives the function that waits for its end.

    It is forked before the GPU is used, and takes one of many cores from what is measured
    meanwhile.
    """
    process = multiprocessing.get_context("fork").Process(target=draw, args=(folder, images))
    process.start()

    def wait() -> Path:
        process.join()
        if process.exitcode:
            raise UserError(f"drawing and packing {images} images in {folder} failed")
        return folder

    try:
        yield wait
    finally:
        process.kill()
        process.join()


def draw(folder: Path, images: int) -> None:
    for pack in ("jpeg", "raw"):
        make_pack(config_for(folder, pack, f"data.synthetic_train={images}",
                             f"data.synthetic_val={images // 8}"))


def measure_loop(folder: Path, report: Report) -> None:
    """folder: with the drawn images and the packs."""
    for source, pack in (("image files", ""), ("jpeg pack", "jpeg"), ("raw pack", "raw")):
        report("reading", source=source, workers=WORKERS,
               persons_s=round(reading_rate(config_for(folder, pack))))
    processor = TimedProcessor(QUICKSTART, settings(folder, "raw"))
    processor.run()
    seconds = processor.epoch_seconds[SKIPPED:]
    rate = processor.steps_per_epoch * BATCH * len(seconds) / sum(seconds)
    bare = BATCH / seconds_a_call(own_bare_step(processor), calls=3 * STEPS)
    report.judge("loop", "loop / ready batches", rate / bare, net="duc", batch=BATCH,
                 source="raw pack", persons_s=round(rate), ready_batches_persons_s=round(bare),
                 steps_an_epoch=processor.steps_per_epoch, classic_recipe_h=recipe_hours(rate),
                 peak_memory_gib=round(torch.cuda.max_memory_allocated() / 2**30, 1))
    people = config_for(folder, "raw", f"data.val_ann_path={folder / 'train.json'}",
                        f"data.val_img_root={folder / 'train'}")
    measure_evaluation(Evaluation(people, processor.skeleton, processor.parallel), processor.net,
                       rate, report)


def settings(folder: Path, pack: str) -> list[str]:
    """What makes a full-size recipe of the quickstart. pack: jpeg, raw, or "" for image files."""
    paths = [f"data.{split}_{key}={folder / split}{end}" for split in ("train", "val")
             for key, end in (("ann_path", ".json"), ("img_root", ""))]
    stored = [f"data.train_pack={folder / pack}.pack", f"data.pack_format={pack}"] if pack else []
    return [*paths, *stored, f"data.batch_size={BATCH}", f"data.num_workers={WORKERS}",
            "model.name=resnet50", "model.width=1", "codec.input_size=[192,256]", "codec.sigma=2",
            "codec.blur_kernel=11", "augment.rotation=45", "augment.scale=0.35",
            "augment.half_body=0.3", "optim.amp=bf16", "optim.compile=true", "optim.ema=0.999",
            f"optim.epochs={EPOCHS}", "log.every=1000", f"val.weight_path={folder / 'weights'}",
            "gpus=0", "resume=false"]


def config_for(folder: Path, pack: str, *more: str) -> Config:
    return load_config(QUICKSTART, [*settings(folder, pack), *more])


def reading_rate(config: Config) -> float:
    """Persons a second that the loader yields into pinned memory, with nobody computing."""
    data = config.data
    dataset = MSCOCO(data.train_ann_path, data.train_img_root, load_skeleton(data.skeleton),
                     input_size=config.codec.input_size, augment=config.augment,
                     pack=data.train_pack)
    loader = train_loader(dataset, data, seed=0, epochs=4, pin_memory=True)
    batches = iter(loader)
    for _ in range(2 * loader.sampler.steps_per_epoch):     # longer than the queues
        next(batches)
    since = time.perf_counter()
    persons = sum(len(batch) for batch in batches)
    return persons / (time.perf_counter() - since)


def own_bare_step(processor: DPProcessor) -> Callable[[], None]:
    """A step of the processor's own network and optimizer, on one batch that lies ready."""
    make = processor.train_step
    ready = ready_batch(processor.loader.batch_size, channels_last=True)
    processor.net.train()
    return lambda: bare_step(make.model, make.optimizer, *ready, make.dtype)


def measure_evaluation(evaluation: Evaluation, net: nn.Module, rate: float, report: Report,
                       ) -> None:
    """In bf16, not compiled. rate: persons/s in training."""
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):      # the first one starts workers
            since = time.perf_counter()
            evaluation.run(net, Path(folder) / "results.json", torch.bfloat16)
            seconds = time.perf_counter() - since
    batch = next(iter(evaluation.loader))
    way = {"": Decoding(evaluation.codec, True)}
    net.eval()

    def compute() -> None:
        predict(net, [batch], way, evaluation.skeleton.flip_order, "rgb_mean_std",
                evaluation.parallel.device, torch.bfloat16)

    whole, alone = len(evaluation.dataset) / seconds, len(batch) / seconds_a_call(compute)
    report.judge("evaluation", "evaluation / computing", whole / alone,
                 persons=len(evaluation.dataset), batch=len(batch), persons_s=round(whole),
                 computing_persons_s=round(alone))
    report.judge("epochs", "training epoch / evaluation",
                 COCO_PERSONS / rate / (COCO_VAL_PERSONS / whole))
