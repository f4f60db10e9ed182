"""PoseProcessor: one loop that trains a network as a Config says and judges it on the way.

Read `run` first: it is the whole story in time order. A run is described by `step` alone; the
epoch, the place in it and the learning rate follow from it, so a run that was stopped goes on
as if nothing had happened.
"""
import math
import time
from pathlib import Path
from typing import Any

import torch

from configs.checks import TRAIN_PATHS, VAL_PATHS, ensure_set
from configs.loader import config_to_dict
from configs.schema import Config
from datasets.annotations.skeleton import load_skeleton, published_joints, skeleton_to_dict
from datasets.broken_images import name_broken
from datasets.coco import train_set
from datasets.loaders import train_loader
from datasets.samplers import TrainSampler
from datasets.synthetic.data_set import ensure_synthetic
from datasets.synthetic.drawn_folder import mark_sets, sets_to_draw
from datasets.workers import dead_workers_named
from nets import build_net
from processors.evaluation.coco_metrics import table
from processors.evaluation.evaluation import Evaluation
from processors.evaluation.protocol import protocol
from processors.models.checkpoint import (
    has_checkpoint,
    keep_as_old,
    load_last,
    prepare_folder,
    save_checkpoint,
)
from processors.models.pose_model import build_codec
from processors.models.weights_against_config import log_initial_weights
from processors.reports.curves import draw_curves
from processors.reports.val_pictures import draw_results
from processors.runtime.device_batches import device_batches
from processors.runtime.launch import TRAIN_ON
from processors.runtime.parallel import OneProcess, Parallel
from processors.runtime.stop import Stopped, StopRequest
from processors.training.ema import ModelEma
from processors.training.progress import Progress
from processors.training.resume import check_same_run, ensure_same_step
from processors.training.run_log import RunLog
from processors.training.schedule import learning_rate
from processors.training.step_stats import StepStats, StepStatsQueue
from processors.training.sync_bn import synchronise_batch_norm
from processors.training.train_step import TrainStep, ensure_micro_batches
from utils.errors import UserError
from utils.log import log, show_log

WEIGHTS = {"net": "raw", "ema": "averaged"}
PRECISION = {None: "full precision", torch.bfloat16: "bf16", torch.float16: "fp16"}
OVERFLOWS_IN_A_ROW = 50     # after so many halvings of the scale fp16 is not the reason


class PoseProcessor:
    """Trains by `run()`. Everything a run needs is made in `__init__`, in the order of need, so
    that whatever is wrong is said before anything is written."""

    def __init__(self, config: Config, parallel: Parallel | None = None):
        self.config = config
        self.parallel = parallel = parallel or OneProcess(config.gpus)
        self.device = parallel.device
        show_log(parallel.rank)
        torch.manual_seed(config.seed)
        ensure_set(config.data, *TRAIN_PATHS, *VAL_PATHS)
        self.skeleton = load_skeleton(config.data.skeleton)
        codec = build_codec(config, self.skeleton)
        self.folder = Path(config.val.weight_path)
        self.last_path = self.folder / f"{config.model_name}_last.pth"
        self.best_path = self.folder / f"{config.model_name}_best.pth"
        self.results_path = self.folder / f"{config.model_name}_results.json"
        if config.resume is True and not has_checkpoint(self.last_path):
            raise FileNotFoundError(f"resume is true, but {self.last_path} does not exist; "
                                    f"set resume=auto to start from the beginning")
        if parallel.rank == 0:
            sets = sets_to_draw(config.data, config.seed)   # before the weights' folder is made:
            prepare_folder(self.folder, config.model_name)  # it may lie beside the annotations
            mark_sets(sets)
        parallel.main_process_first(lambda: ensure_synthetic(config.data, config.seed))

        self.train_set = train_set(config, self.skeleton)
        self.loader = train_loader(
            self.train_set, config.data, seed=config.seed, epochs=config.optim.epochs,
            rank=parallel.rank, world_size=parallel.world_size,
            pin_memory=self.device.type == "cuda")
        assert isinstance(self.loader.sampler, TrainSampler)
        self.sampler = self.loader.sampler
        self.steps_per_epoch = self.sampler.steps_per_epoch
        ensure_micro_batches(self.sampler.share, config.optim.accumulate)
        self.evaluation = Evaluation(config, self.skeleton, parallel)
        state = parallel.main_process_first(self._stored_state)
        self.sampler.start_step = state["step"] if state else 0
        self.batches = device_batches(iter(self.loader), self.device)
        self.evaluation.start_workers()     # all processes that read images are forked by now

        self.net = self._new_net().to(self.device)
        if config.optim.channels_last:
            self.net = self.net.to(memory_format=torch.channels_last)
        if config.optim.sync_bn:
            self.net = synchronise_batch_norm(self.net, self.device)
        self.averaged = ModelEma(self.net, config.optim.ema) if config.optim.ema else None
        self.train_step = TrainStep(config, self.net, self.skeleton, codec, parallel)

        self.step = 0               # optimizer steps done
        self.evaluated = 0          # epochs done whose evaluation is settled
        self.skipped = 0            # steps left out for an fp16 overflow
        self.overflows = 0          # those of them that came last, without a good step between
        self.broken: set[Path] = set()
        self.best: dict[str, Any] = {"AP": -1.0}
        self.run_id = time.strftime("%Y-%m-%d %H:%M:%S")
        self.stop = StopRequest(parallel)
        self.step_stats = StepStatsQueue(parallel)
        if state:
            self._restore(state)
        ensure_same_step(parallel.all_gather(self.step), self.folder)
        self._announce()

    def _new_net(self) -> torch.nn.Module:
        """The network, and what its first weights were, if they came from a file."""
        net = build_net(self.config.model, joint_names=self.skeleton.joint_names,
                        known_joints=published_joints())
        if self.config.model.pretrained:
            assert net.weights_report is not None
            log_initial_weights(net.weights_report, self.config)
        return net

    def run(self) -> dict[str, Any]:
        """Train to the last epoch, evaluating on the way; returns the best metrics."""
        if self.config.resume is False and self.parallel.rank == 0:
            keep_as_old(self.last_path)       # now that everything the new run needs is there
            keep_as_old(self.best_path)
        self.run_log = RunLog(self.folder, run=self.run_id, model_name=self.config.model_name,
                              step=self.step, rank=self.parallel.rank,
                              tensorboard=self.config.log.tensorboard)
        epochs = self.config.optim.epochs
        with self.stop, dead_workers_named(TRAIN_ON):
            while True:
                epoch = self.step // self.steps_per_epoch
                if self.step % self.steps_per_epoch == 0 and self.evaluated < epoch:
                    self._finish_epoch(epoch)
                if epoch >= epochs:
                    break
                self._train_epoch(epoch)
        self._farewell()
        return self.best

    def _train_epoch(self, epoch: int) -> None:
        """From the present step to the end of the epoch, with checkpoints on the way.

        What a step says of itself is known one step later (processors/training/step_stats.py).
        """
        self.net.train()
        self.saved_at = time.monotonic()
        first = self.step % self.steps_per_epoch
        progress = Progress(epoch, first, self.steps_per_epoch, self.config, self.parallel.rank,
                            self.run_log)
        for number in range(first + 1, self.steps_per_epoch + 1):
            with progress.meter.waiting():
                batch = next(self.batches)
            name_broken(batch, self.train_set, self.broken)
            lr = learning_rate(self.step, self.steps_per_epoch, self.config.optim)
            numbers = self.train_step(batch, lr, progress.wants_accuracy(self.step))
            self.step_stats.send(self.step, lr, batch.image_id, numbers,
                              stop=self.stop.asked(), save=self._time_to_save(),
                              timestamp=progress.meter.timestamp())
            if self.averaged:
                self.averaged.update(self.step)
            self.step += 1
            due = self.config.val.save_steps and self.step % self.config.val.save_steps == 0
            requests = self._receive(progress)
            if requests or due or number == self.steps_per_epoch:
                requests |= self._receive(progress, everything=True)
            if requests or due:
                self._save()
            if "stop" in requests:
                self.stop.exit_run(self.last_path)
        progress.close()

    def _receive(self, progress: Progress, everything: bool = False) -> set[str]:
        """Judge and show what steps said of themselves; returns the wishes among it."""
        requests = set()
        for stats in self.step_stats.receive(everything):
            self._check(stats)
            progress.add(stats, self.sampler.batch_size, self.skipped)
            requests |= {name for name in ("stop", "save") if getattr(stats, name)}
        return requests

    def _check(self, stats: StepStats) -> None:
        """Count an fp16 overflow; end the run for any other number that is not finite. The
        optimizer has left the weights as they were, and no checkpoint has been written since."""
        if math.isfinite(stats.loss) and math.isfinite(stats.gradient_norm):
            self.overflows = 0
            return
        self.overflows += 1
        if (self.train_step.scaler.is_enabled() and math.isfinite(stats.loss)
                and self.overflows < OVERFLOWS_IN_A_ROW):
            self.skipped += 1
            return
        images = [i for ids in self.parallel.all_gather(stats.image_ids.tolist()) for i in ids]
        raise UserError(
            f"training stopped at step {stats.step + 1}: loss {stats.loss:.3g}, gradient norm "
            f"{stats.gradient_norm:.3g}, learning rate {stats.lr:.2e}, images {images}; lower "
            f"optim.lr or set optim.clip_norm; the checkpoints hold the weights from before")

    def _time_to_save(self) -> bool:
        """By the clock of process 0, which the others hear of by its reports."""
        minutes = self.config.val.save_minutes
        return bool(self.parallel.rank == 0 and minutes
                    and time.monotonic() - self.saved_at > 60 * minutes)

    def _finish_epoch(self, epoch: int) -> None:
        """Evaluate if it is due, keep the best, and write the checkpoint of the epoch."""
        interval, last = self.config.val.interval, self.config.optim.epochs
        if epoch % interval == 0 or epoch == last:
            if self.config.val.save_minutes:
                self._save()    # an evaluation is long; a kill in it must not cost the epoch
            try:
                self._evaluate(epoch)
            except Stopped:
                self._save()    # of before the evaluation, which is made again
                raise
        self.evaluated = epoch
        self._save()
        if self.parallel.rank == 0:
            draw_curves(self.run_log.read(), self.folder / f"{self.config.model_name}_curves.png")

    def _evaluate(self, epoch: int) -> None:
        nets = {"net": self.net} | ({"ema": self.averaged.net} if self.averaged else {})
        scores = {}
        for kind, net in nets.items():
            self.parallel.broadcast_buffers(net)
            metrics = self.evaluation.run(net, self.results_path, self.train_step.dtype, self.stop)
            scores[kind] = metrics.values
            log.info("epoch %d, %s weights:\n%s", epoch, WEIGHTS[kind], table(metrics))
            self.run_log.add(kind="val", epoch=epoch, step=self.step, weights=kind,
                             protocol=protocol(self.config, f"{WEIGHTS[kind]}, epoch {epoch}"),
                             **metrics.values)
        better = max(scores, key=lambda kind: scores[kind]["AP"])
        if len(scores) > 1:
            log.info("the %s weights are the better ones", WEIGHTS[better])
        if scores[better]["AP"] > self.best["AP"]:
            self.best = scores[better] | {"epoch": epoch, "weights": better}
            self._save_best(nets[better])

    def _save(self) -> None:
        self.saved_at = time.monotonic()
        if self.parallel.rank != 0:
            return
        averaged = self.averaged.net if self.averaged else self.net
        save_checkpoint({
            "net": self.net.state_dict(), "ema": averaged.state_dict(),
            "optimizer": self.train_step.optimizer.state_dict(),
            "scaler": self.train_step.scaler.state_dict(),
            "step": self.step, "steps_per_epoch": self.steps_per_epoch,
            "evaluated": self.evaluated, "skipped": self.skipped, "best": self.best,
            "random": torch.get_rng_state(), "run": self.run_id,
            **self._what_it_is()}, self.last_path, keep_previous=True)

    def _save_best(self, net: torch.nn.Module) -> None:
        if self.parallel.rank == 0:
            save_checkpoint({"ema": net.state_dict(), "best": self.best, "step": self.step,
                             **self._what_it_is()}, self.best_path)

    def _what_it_is(self) -> dict[str, Any]:
        """What prediction needs beside the weights, on a machine without our YAML files."""
        return {"config": config_to_dict(self.config),
                "skeleton": skeleton_to_dict(self.skeleton)}

    def _stored_state(self) -> dict[str, Any] | None:
        """The last checkpoint, as `resume` asks for it; None to start from the beginning."""
        if self.config.resume is False:
            return None
        state = load_last(self.last_path)
        if state:
            check_same_run(state, self.config, self.steps_per_epoch, self.last_path)
        return state

    def _restore(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        if self.averaged:
            self.averaged.net.load_state_dict(state["ema"])
        self.train_step.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:     # empty unless the run was in fp16
            self.train_step.scaler.load_state_dict(state["scaler"])
        self.step, self.evaluated, self.skipped = (
            state["step"], state["evaluated"], state["skipped"])
        self.best, self.run_id = state["best"], state["run"]
        torch.set_rng_state(state["random"])
        log.info("going on from %s at step %d (epoch %d, best AP %.4f)", self.last_path, self.step,
                 self.step // self.steps_per_epoch + 1, self.best["AP"])

    def _announce(self) -> None:
        config, optim = self.config, self.config.optim
        parameters = sum(p.numel() for p in self.net.parameters())
        log.info("%s: %s, %.1f M parameters, input %dx%d", config.model_name, config.model,
                 parameters / 1e6, *config.codec.input_size)
        log.info("training set: %s", self.train_set.summary())
        log.info("validation set: %s", self.evaluation.dataset.summary())
        log.info("evaluation:\n%s", protocol(config))
        total, processes = self.sampler.batch_size, self.parallel.world_size
        log.info("%d epochs of %d steps, batch %d in total%s, %s lr %g for the total batch, %s, "
                 "on %s", optim.epochs, self.steps_per_epoch, total,
                 f" in {optim.accumulate} pieces" if optim.accumulate > 1 else "",
                 optim.optimizer, optim.lr, PRECISION[self.train_step.dtype],
                 ", ".join(map(str, self.parallel.devices)) + (
                     f" x {processes} processes of {total // processes} each"
                     if processes > 1 else ""))

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
