"""PoseProcessor: one loop that trains a network as a Config says and judges it on the way.

Read `run` first: it is the whole story in time order. A run is described by `step` alone; the
epoch, the place in it and the learning rate follow from it, so a run that was stopped goes on
as if nothing had happened.
"""
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from configs.loader import config_to_dict
from configs.schema import Config
from datasets.coco import MSCOCO
from datasets.loaders import train_loader
from datasets.sample import Batch
from datasets.skeleton import load_skeleton
from datasets.synthetic import ensure_synthetic
from losses.heatmap import LOSSES
from nets import build_net
from processors.checkpoint import load_last, save_checkpoint, set_aside
from processors.coco_evaluator import protocol, table
from processors.curves import draw_curves
from processors.ema import AveragedNet
from processors.evaluation import Evaluation, build_codec
from processors.optim import build_optimizer
from processors.parallel import OneProcess, Parallel
from processors.pictures import draw_results
from processors.precision import amp_dtype, autocast, grad_scaler
from processors.preprocess import normalise
from processors.resume import check_same_run
from processors.schedule import learning_rate
from processors.stop import StopRequest
from utils.log import MetricsFile, bar, log, show_log
from utils.pck import heatmap_accuracy

WEIGHTS = {"net": "raw", "ema": "averaged"}


class PoseProcessor:
    """Trains by `run()`. Everything a run needs is made in `__init__`, in the order of need, so
    that whatever is wrong is said before anything is written."""

    def __init__(self, config: Config, parallel: Parallel | None = None):
        self.config = config
        self.parallel = parallel = parallel or OneProcess(config.gpus)
        self.device = parallel.device
        show_log(parallel.rank)
        torch.manual_seed(config.seed)
        ensure_paths(config)
        self.skeleton = load_skeleton(config.data.skeleton)
        self.codec = build_codec(config, self.skeleton)
        self.dtype = amp_dtype(config.optim.amp, self.device, len(parallel.devices))
        self.folder = Path(config.val.weight_path)
        if parallel.rank == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            ensure_synthetic(config.data, config.seed)
        parallel.share(None)        # the others wait until the synthetic set is drawn

        self.train_set = self._train_set()
        self.loader = train_loader(
            self.train_set, config.data, seed=config.seed, epochs=config.optim.epochs,
            rank=parallel.rank, world_size=parallel.world_size,
            pin_memory=self.device.type == "cuda")
        self.steps_per_epoch = self.loader.sampler.steps_per_epoch
        self.evaluation = Evaluation(config, self.skeleton, parallel)

        self.net = build_net(config.model).to(self.device)
        if config.optim.channels_last:
            self.net = self.net.to(memory_format=torch.channels_last)
        if config.optim.sync_bn:
            self.net = nn.SyncBatchNorm.convert_sync_batchnorm(self.net)
        self.averaged = AveragedNet(self.net, config.optim.ema) if config.optim.ema else None
        self.optimizer = build_optimizer(self.net, config.optim)
        self.scaler = grad_scaler(self.dtype, self.device)
        self.model = parallel.wrap(self.net, train=True)
        if config.optim.compile:
            self.model = torch.compile(self.model, dynamic=False)
        self.joint_weights = (torch.tensor(self.skeleton.joint_weights, device=self.device)
                              if config.optim.joint_weights else 1.0)

        self.step = 0               # optimizer steps done
        self.evaluated = 0          # epochs done whose evaluation is settled
        self.skipped = 0            # steps left out for an fp16 overflow
        self.broken: set[Path] = set()
        self.best: dict[str, Any] = {"AP": -1.0}
        self.run_id = time.strftime("%Y-%m-%d %H:%M:%S")
        self.last_path = self.folder / f"{config.model_name}_last.pth"
        self.results_path = self.folder / f"{config.model_name}_results.json"
        self.best_path = self.folder / f"{config.model_name}_best.pth"
        self.stop = StopRequest(parallel)

    def _train_set(self) -> MSCOCO:
        data, codec = self.config.data, self.config.codec
        return MSCOCO(data.train_ann_path, data.train_img_root, self.skeleton,
                      input_size=codec.input_size, alignment=codec.alignment,
                      augment=self.config.augment, seed=self.config.seed, debug=data.debug,
                      skip_broken=data.skip_broken)

    def run(self) -> dict[str, Any]:
        """Train to the last epoch, evaluating on the way; returns the best metrics."""
        self._resume()
        self._announce()
        self.metrics = MetricsFile(self.folder / "metrics.jsonl", run=self.run_id,
                                   model_name=self.config.model_name)
        self.loader.sampler.start_step = self.step
        epochs = self.config.optim.epochs
        with self.stop:
            batches = iter(self.loader)
            while True:
                epoch = self.step // self.steps_per_epoch
                if self.step % self.steps_per_epoch == 0 and self.evaluated < epoch:
                    self._finish_epoch(epoch)
                if epoch >= epochs:
                    break
                self._train_epoch(epoch, batches)
        self._farewell()
        return self.best

    def _train_epoch(self, epoch: int, batches: Iterator[Batch]) -> None:
        """From the present step to the end of the epoch, with checkpoints on the way."""
        start = self.step % self.steps_per_epoch
        self.model.train()
        meter = Meter()
        saved_at = time.monotonic()
        progress = bar(range(start, self.steps_per_epoch), f"epoch {epoch + 1}",
                       total=self.steps_per_epoch, rank=self.parallel.rank)
        for number in progress:
            waited = time.monotonic()
            batch = next(batches)
            meter.waited += time.monotonic() - waited
            self._count_broken(batch)
            batch = batch.to(self.device)
            log_now = (number + 1) % self.config.log.every == 0 or (
                number + 1 == self.steps_per_epoch)
            loss, accuracy, lr = self._train_step(batch, measure=log_now or not progress.disable)
            self.step += 1
            meter.add(loss, len(batch) * self.parallel.world_size)
            if not progress.disable:
                progress.set_postfix_str(f"loss {loss:.5f} acc {accuracy:.3f} lr {lr:.1e} "
                                         f"{meter.speed():.0f}/s wait {meter.wait_percent():.0f}%")
            if log_now:
                self._log_progress(epoch, number + 1, meter, accuracy, lr)
            if self.stop.asked():
                self._save()
                self.stop.leave(self.last_path)
            if self._save_due(saved_at):
                self._save()
                saved_at = time.monotonic()

    def _count_broken(self, batch: Batch) -> None:
        """Name each image that `data.skip_broken` goes on without, the first time it is met."""
        for index in batch.index[batch.index < 0].tolist():
            path = self.train_set.image_path(index)
            if path not in self.broken:
                self.broken.add(path)
                log.warning("going on without the broken image %s (%d so far)", path,
                            len(self.broken))

    def _train_step(self, batch: Batch, measure: bool) -> tuple[float, float, float]:
        """One optimizer step; returns the loss, the accuracy (if measured) and the rate."""
        optim = self.config.optim
        lr = learning_rate(self.step, self.steps_per_epoch, optim)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        total, accuracy = torch.zeros((), device=self.device), math.nan
        for piece in batch.chunks(optim.accumulate):
            images = normalise(piece.crop, self.config.model.input_format)
            targets, weights = self.codec.encode(piece.keypoints, piece.visibility)
            with autocast(self.dtype, self.device):
                heatmaps = self.model(images)
            heatmaps = heatmaps.float()
            loss = LOSSES[optim.loss](heatmaps, targets, weights * self.joint_weights)
            loss = loss / optim.accumulate
            self.scaler.scale(loss).backward()
            total += loss.detach()
        if measure:
            accuracy = heatmap_accuracy(heatmaps.detach(), targets).item()
        self._update(batch, total, lr)
        return total.item(), accuracy, lr

    def _update(self, batch: Batch, loss: torch.Tensor, lr: float) -> None:
        """Clip, step and average, unless the gradient is not finite: an fp16 overflow is skipped
        and counted, anything else ends the run before it can spoil the weights."""
        self.scaler.unscale_(self.optimizer)
        clip = self.config.optim.clip_norm or math.inf
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), clip)
        if not torch.isfinite(norm + loss):
            if not (self.scaler.is_enabled() and torch.isfinite(loss)):
                raise ValueError(
                    f"training stopped at step {self.step}: loss {loss.item():.3g}, gradient norm "
                    f"{norm.item():.3g}, learning rate {lr:.2e}, images "
                    f"{batch.image_id.tolist()}; lower optim.lr or set optim.clip_norm; the "
                    f"checkpoints hold the weights from before")
            self.skipped += 1
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.averaged:
            self.averaged.update(self.net, self.step)

    def _finish_epoch(self, epoch: int) -> None:
        """Evaluate if it is due, keep the best, and write the checkpoint of the epoch."""
        interval, last = self.config.val.interval, self.config.optim.epochs
        if epoch % interval == 0 or epoch == last:
            if self.config.val.save_minutes:
                self._save()    # an evaluation is long; a kill in it must not cost the epoch
            self._evaluate(epoch)
        self.evaluated = epoch
        self._save()
        if self.parallel.rank == 0:
            draw_curves(self.metrics.read(), self.folder / f"{self.config.model_name}_curves.png")

    def _evaluate(self, epoch: int) -> None:
        nets = {"net": self.net} | ({"ema": self.averaged.net} if self.averaged else {})
        scores = {}
        for kind, net in nets.items():
            metrics = self.evaluation.run(net, self.results_path, self.dtype,
                                          check=self.stop.raise_if_asked)
            scores[kind] = metrics.values
            log.info("epoch %d, %s weights:\n%s", epoch, WEIGHTS[kind], table(metrics))
            if self.parallel.rank == 0:
                self.metrics.add(kind="val", epoch=epoch, step=self.step, weights=kind,
                                 protocol=protocol(self.config, f"{WEIGHTS[kind]}, epoch {epoch}"),
                                 **metrics.values)
        better = max(scores, key=lambda kind: scores[kind]["AP"])
        if len(scores) > 1:
            log.info("the %s weights are the better ones", WEIGHTS[better])
        if scores[better]["AP"] > self.best["AP"]:
            self.best = scores[better] | {"epoch": epoch, "weights": better}
            self._save_best(nets[better])

    def _save_due(self, saved_at: float) -> bool:
        val = self.config.val
        by_steps = val.save_steps and self.step % val.save_steps == 0
        by_time = val.save_minutes and time.monotonic() - saved_at > val.save_minutes * 60
        return bool(by_steps or by_time)

    def _save(self) -> None:
        if self.parallel.rank != 0:
            return
        averaged = self.averaged.net if self.averaged else self.net
        save_checkpoint({
            "net": self.net.state_dict(), "ema": averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict(),
            "step": self.step, "steps_per_epoch": self.steps_per_epoch,
            "evaluated": self.evaluated, "skipped": self.skipped, "best": self.best,
            "random": torch.get_rng_state(), "run": self.run_id,
            "config": config_to_dict(self.config)}, self.last_path, keep_previous=True)

    def _save_best(self, net: nn.Module) -> None:
        if self.parallel.rank == 0:
            save_checkpoint({"ema": net.state_dict(), "best": self.best, "step": self.step,
                             "config": config_to_dict(self.config)}, self.best_path)

    def _resume(self) -> None:
        """Put the state of the last checkpoint in place, as `resume` asks for it."""
        if self.config.resume is False:
            if self.parallel.rank == 0:
                set_aside(self.last_path)
                set_aside(self.best_path)
            self.parallel.share(None)
            return
        state = load_last(self.last_path)
        if state is None:
            if self.config.resume is True:
                raise FileNotFoundError(f"resume is true, but {self.last_path} does not exist; "
                                        f"set resume=auto to start from the beginning")
            return
        check_same_run(state, self.config, self.steps_per_epoch, self.last_path)
        self.net.load_state_dict(state["net"])
        if self.averaged:
            self.averaged.net.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.evaluated, self.skipped = (
            state["step"], state["evaluated"], state["skipped"])
        self.best, self.run_id = state["best"], state["run"]
        torch.set_rng_state(state["random"])
        log.info("going on from %s at step %d (epoch %d, best AP %.4f)", self.last_path, self.step,
                 self.step // self.steps_per_epoch + 1, self.best["AP"])

    def _announce(self) -> None:
        config, optim = self.config, self.config.optim
        parameters = sum(p.numel() for p in self.net.parameters())
        log.info("%s: %s %s%s, %.1f M parameters, input %dx%d", config.model_name,
                 config.model.type, config.model.name, " with SE" * config.model.reduction,
                 parameters / 1e6, *config.codec.input_size)
        log.info("training set: %s", self.train_set.summary())
        log.info("validation set: %s", self.evaluation.dataset.summary())
        log.info("evaluation:\n%s", protocol(config))
        log.info("%d epochs of %d steps, batch %d in total, %s lr %g, %s, on %s", optim.epochs,
                 self.steps_per_epoch, self.loader.sampler.batch_size, optim.optimizer, optim.lr,
                 {None: "full precision", torch.bfloat16: "bf16", torch.float16: "fp16"}[
                     self.dtype],
                 ", ".join(map(str, self.parallel.devices)) + (
                     f" x {self.parallel.world_size} processes"
                     if self.parallel.world_size > 1 else ""))

    def _log_progress(self, epoch: int, number: int, meter: "Meter", accuracy: float,
                      lr: float) -> None:
        left = (self.config.optim.epochs * self.steps_per_epoch - self.step) * (
            meter.seconds() / max(meter.steps, 1))
        values = {"loss": meter.mean_loss(), "accuracy": accuracy, "lr": lr,
                  "images_per_s": meter.speed(), "wait_percent": meter.wait_percent()}
        log.info("epoch %d step %d/%d loss %.5f accuracy %.3f lr %.2e %.0f images/s, waiting for "
                 "data %.0f %%, %s left", epoch + 1, number, self.steps_per_epoch, values["loss"],
                 accuracy, lr, values["images_per_s"], values["wait_percent"], duration(left))
        if values["wait_percent"] > 20 and meter.steps >= 10:
            log.info("the network waits for data: raise data.num_workers (now %d)",
                     self.config.data.num_workers)
        if self.parallel.rank == 0:
            self.metrics.add(kind="train", epoch=epoch + 1, step=self.step,
                             skipped=self.skipped, **values)
        meter.restart()

    def _farewell(self) -> None:
        if self.parallel.rank != 0:
            return
        name = self.config.model_name
        if not self.evaluation.results and self.results_path.is_file():
            log.info("the run is finished; resume=false starts it again from the beginning")
        elif self.evaluation.results:
            draw_results(self.evaluation.dataset, self.evaluation.results, self.skeleton,
                         self.folder / f"{name}_val.jpg")
        log.info("best AP %.4f after epoch %s; weights %s; curves and predictions beside it as "
                 "%s_curves.png and %s_val.jpg", self.best["AP"], self.best.get("epoch"),
                 self.best_path, name, name)


class Meter:
    """Sums between two lines of the log."""

    def __init__(self):
        self.restart()

    def restart(self) -> None:
        self.loss, self.steps, self.images, self.waited = 0.0, 0, 0, 0.0
        self.since = time.monotonic()

    def add(self, loss: float, images: int) -> None:
        self.loss, self.steps, self.images = self.loss + loss, self.steps + 1, self.images + images

    def seconds(self) -> float:
        return max(time.monotonic() - self.since, 1e-9)

    def mean_loss(self) -> float:
        return self.loss / max(self.steps, 1)

    def speed(self) -> float:
        return self.images / self.seconds()

    def wait_percent(self) -> float:
        return 100 * self.waited / self.seconds()


def duration(seconds: float) -> str:
    """Such as 3:05 or 21:00:05."""
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def ensure_paths(config: Config) -> None:
    """Raise ValueError for a path that training needs and the YAML does not give."""
    for key in ("train_ann_path", "train_img_root", "val_ann_path", "val_img_root"):
        if not getattr(config.data, key):
            raise ValueError(f"data.{key} is not set; write its path into the YAML file")


