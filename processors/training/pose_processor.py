"""PoseProcessor: one loop that trains a network as a Config says and judges it on the way.

Read `run` first: it is the whole story in time order. A run is described by `step` alone; the
epoch, the place in it and the learning rate follow from it, so a run that was stopped goes on
as if nothing had happened.
"""
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from configs.checks import TRAIN_PATHS, VAL_PATHS, ensure_set
from configs.loader import config_to_dict
from configs.schema import Config
from datasets.annotations.skeleton import (
    Skeleton,
    load_skeleton,
    published_joints,
    skeleton_to_dict,
)
from datasets.broken_images import name_broken
from datasets.coco import MSCOCO
from datasets.sample import Batch
from datasets.samplers import TrainSampler
from datasets.shared_memory import ensure_shared_memory
from datasets.synthetic.data_set import ensure_synthetic
from datasets.synthetic.drawn_folder import mark_sets, sets_to_draw
from datasets.unlabelled.mixed import MixedPeople, training_loader
from datasets.workers import dead_workers_named
from nets import build_net
from processors.evaluation.best_score import in_words, is_better, rank
from processors.evaluation.coco_metrics import table
from processors.evaluation.evaluation import Evaluation
from processors.evaluation.protocol import protocol
from processors.models.pose_ranking import OddAnswers
from processors.models.weights_against_config import log_initial_weights, with_pixels_of_timm
from processors.reports.curves import draw_curves
from processors.reports.val_pictures import draw_results
from processors.runtime.device_batches import device_batches
from processors.runtime.launch import TRAIN_ON
from processors.runtime.memory_order import channels_last
from processors.runtime.parallel import OneProcess, Parallel
from processors.runtime.stop import Stopped, StopRequest
from processors.runtime.sync_bn import synchronise_batch_norm
from processors.runtime.torch_errors import TRAIN_CURES, ensure_memory, torch_errors_named
from processors.trackers.start import ensure_installed
from processors.training.ema import ModelEma
from processors.training.finite_watch import FiniteWatch
from processors.training.progress import Progress, plan_in_words
from processors.training.rates import learning_rate, log_rates
from processors.training.resume import check_same_run, ensure_same_step, judged_otherwise
from processors.training.run_folder import RunFolder
from processors.training.run_log import RunLog, trackers
from processors.training.run_state import RunState
from processors.training.step_stats import StepStatsQueue
from processors.training.train_step import TrainStep, codec_to_train, ensure_micro_batches
from processors.unlabelled.teacher import Teacher, build_teacher
from utils.codecs.visibility_codec import Codec
from utils.log import log, show_log
from utils.shown import counted

WEIGHTS = {"net": "raw", "ema": "averaged"}


class PoseProcessor:
    """Trains by `run()`. Everything a run needs is made in `__init__`, in the order of need, so
    that whatever is wrong is said before anything is written."""
    # what is asked for, and where it runs
    config: Config
    parallel: Parallel
    device: torch.device
    skeleton: Skeleton
    folder: RunFolder           # which this process holds from the beginning to the end of the run
    # data
    train_set: MSCOCO | MixedPeople
    loader: DataLoader
    sampler: TrainSampler
    batches: Iterator[Batch]    # on the device, all that are left of the run
    evaluation: Evaluation
    net: nn.Module
    averaged: ModelEma | None
    teacher: Teacher | None     # of people without labels
    train_step: TrainStep
    state: RunState             # all of it is in a checkpoint; what is new while it runs:
    broken: set[Path]
    saved_at: float             # time.monotonic of the last checkpoint
    older: list[Path]           # files of an older run, to be kept under other names
    run_log: RunLog
    stop: StopRequest
    step_stats: StepStatsQueue
    watch: FiniteWatch

    def __init__(self, config: Config, parallel: Parallel | None = None):
        self.parallel = parallel = parallel or OneProcess(config.gpus)
        self.device = parallel.device
        show_log(parallel.rank)
        self.config = config = with_pixels_of_timm(config)
        ensure_installed(config.log, parallel.rank)
        torch.manual_seed(config.seed)
        ensure_set(config.data, *TRAIN_PATHS, *VAL_PATHS)
        self.skeleton = load_skeleton(config.data.skeleton)
        codec = codec_to_train(config, self.skeleton)
        self.folder = RunFolder(config.val.weight_path, config.model_name, parallel.rank,
                                [config.val.boxes])
        self.older = [self.folder.last, self.folder.best] if config.resume is False else []
        if config.resume is True:
            self.folder.ensure_checkpoint()
        # before the folder of weights is made: it may lie beside the annotations
        sets = sets_to_draw(config.data, config.seed) if parallel.rank == 0 else []
        with ExitStack() as on_error:
            on_error.callback(self.folder.release)
            self.folder.hold()
            mark_sets(sets)
            parallel.main_process_first(lambda: ensure_synthetic(config.data, config.seed))
            stored = None if config.resume is False else parallel.main_process_first(
                self.folder.load)
            self._open_data(stored["step"] if stored else 0)
            if stored:
                check_same_run(stored, config, self.steps_per_epoch, self.folder.last)
            else:
                self.folder.ensure_no_input(config.model.pretrained)
            self._build(codec, stored["step"] if stored else None)
            if stored:
                self._restore(stored)
            ensure_same_step(parallel.all_gather(self.state.step), self.folder.path)
            self._announce()
            on_error.pop_all()

    def _open_data(self, start_step: int) -> None:
        config, parallel = self.config, self.parallel
        self.loader = training_loader(
            config, self.skeleton, start_step=start_step, rank=parallel.rank,
            world_size=parallel.world_size, pin_memory=self.device.type == "cuda")
        assert isinstance(self.loader.dataset, MSCOCO | MixedPeople)
        assert isinstance(self.loader.sampler, TrainSampler)
        self.train_set, self.sampler = self.loader.dataset, self.loader.sampler
        self.steps_per_epoch = self.sampler.steps_per_epoch
        ensure_micro_batches(self.sampler.share, config.optim.accumulate)
        self.evaluation = Evaluation(config, self.skeleton, parallel)
        persons = self.sampler.persons // parallel.world_size // config.optim.accumulate
        ensure_memory(persons * parallel.local_size, self.evaluation.codec,
                      self.skeleton.num_joints, self.device, TRAIN_CURES)
        self.stop = StopRequest(parallel)
        if parallel.rank == 0:
            ensure_shared_memory([self.loader, self.evaluation.loader], parallel.local_size)
        self.batches = device_batches(self.stop.watched(iter(self.loader)), self.device)
        self.evaluation.start_workers()     # all processes that read images are forked by now

    def _build(self, codec: Codec, stored_step: int | None) -> None:
        """stored_step: of the checkpoint to go on from, which has all weights itself; None: begin
        with `model.pretrained`."""
        optim = self.config.optim
        self.net = self._new_net(stored_step is None).to(self.device)
        if optim.channels_last:
            self.net = channels_last(self.net, self.config.codec.input_size, self.device)
        if optim.sync_bn:
            self.net = synchronise_batch_norm(self.net, self.device)
        self.averaged = ModelEma(self.net, optim.ema) if optim.ema else None
        averaged = self.averaged.net if self.averaged else self.net
        self.teacher = build_teacher(self.config, averaged, self.skeleton, codec, self.parallel,
                                     self.sampler)
        self.train_step = TrainStep(
            self.config, self.net, self.skeleton, codec, self.parallel,
            epoch=(stored_step or 0) // self.steps_per_epoch, teacher=self.teacher)
        self.watch = FiniteWatch(self.train_step, self.parallel, self.folder)
        about = {"config": config_to_dict(self.config), "skeleton": skeleton_to_dict(self.skeleton)}
        self.state = RunState(about, self.net, self.averaged, self.train_step, self.watch,
                              self.steps_per_epoch)

    def _new_net(self, pretrained: bool) -> nn.Module:
        """The network; says what its first weights were, if they came from a file."""
        model = self.config.model if pretrained else replace(self.config.model, pretrained=False)
        net = build_net(model, joint_names=self.skeleton.joint_names,
                        known_joints=published_joints(), input_size=self.config.codec.input_size,
                        split=self.config.codec.split, sigma=self.config.codec.sigma)
        if model.pretrained:
            assert net.weights_report is not None
            log_initial_weights(net.weights_report, self.config)
        return net

    def run(self) -> dict[str, Any]:
        """Train to the last epoch, evaluating on the way; returns the best metrics."""
        self.broken, self.saved_at = set(), time.monotonic()
        self.step_stats = StepStatsQueue(self.parallel)
        with self.folder.held():
            self.folder.keep_older(*self.older)     # now that all that the run needs is there
            self.run_log = RunLog(self.folder.path, run=self.state.run_id, rank=self.parallel.rank,
                                  model_name=self.config.model_name)
            with trackers(self.config, self.folder, self.run_log, self.state.step):
                with self.stop, torch_errors_named(TRAIN_CURES), dead_workers_named(TRAIN_ON):
                    self._run_epochs()
                self.say_the_end()
        return self.state.best

    def _run_epochs(self) -> None:
        while True:
            epoch = self.state.epoch
            if self.state.place == 0 and self.state.evaluated < epoch:
                self.finish_epoch(epoch)
            if epoch >= self.config.optim.epochs or self._out_of_patience():
                break
            self.train_epoch(epoch)

    def _out_of_patience(self) -> bool:
        return 0 < self.config.optim.patience <= self.state.without_better

    def train_epoch(self, epoch: int) -> None:
        """To the end of the epoch. The statistics of a step come one step later: step_stats.py."""
        self.train_step.start_epoch(epoch)
        self.saved_at = time.monotonic()
        first, val = self.state.place, self.config.val
        progress = Progress(epoch, first, self.steps_per_epoch, self.config, self.parallel.rank,
                            self.run_log)
        for number in range(first + 1, self.steps_per_epoch + 1):
            try:
                with progress.meter.waiting():
                    batch = next(self.batches)
            except Stopped:     # in the wait; with several processes the others cannot save
                if self.parallel.world_size == 1:
                    self._receive(progress, everything=True)
                    self._save()
                    self.stop.exit_run(self.folder.last)
                raise
            name_broken(batch, self.train_set, self.broken)
            step = self.state.step
            lr = learning_rate(step, self.steps_per_epoch, self.config.optim)
            self.train_step.seed(step)
            numbers = self.train_step(batch, lr, progress.wants_accuracy(step))
            self.step_stats.send(step, lr, batch.image_id, numbers, stop=self.stop.asked(),
                                 save=self._time_to_save(), timestamp=progress.meter.timestamp())
            if self.averaged:
                self.averaged.update(step)
            self.state.step += 1
            due = val.save_steps and self.state.step % val.save_steps == 0
            requests = self._receive(progress)
            if requests or due or number == self.steps_per_epoch:
                requests |= self._receive(progress, everything=True)
            if requests or due:
                self._save()
            if "stop" in requests:
                self.stop.exit_run(self.folder.last)
        progress.close()

    def _receive(self, progress: Progress, everything: bool = False) -> set[str]:
        """Judge and show statistics of steps; returns the requests among them."""
        requests = set()
        for stats in self.step_stats.receive(everything):
            self.watch.look_at(stats)
            progress.add(stats, self.sampler.persons_in(stats.step), self.watch.skipped)
            requests |= {name for name in ("stop", "save") if getattr(stats, name)}
        return requests

    def _time_to_save(self) -> bool:
        """By the clock of process 0, of which the others hear by its statistics."""
        minutes = self.config.val.save_minutes
        return bool(self.parallel.rank == 0 and minutes
                    and time.monotonic() - self.saved_at > 60 * minutes)

    def finish_epoch(self, epoch: int) -> None:
        """Evaluate if it is due, keep the best, and write the checkpoint of the epoch."""
        interval, last = self.config.val.interval, self.config.optim.epochs
        self.watch.look_at_weights(self.net, self.state.step)
        if self.teacher and (numbers := self.teacher.report(epoch)):
            self.run_log.add(kind="unlabelled", epoch=epoch, step=self.state.step, **numbers)
        if epoch % interval == 0 or epoch == last:
            if self.config.val.save_minutes:
                self._save()    # an evaluation is long; a kill in it must not cost the epoch
            try:
                self._evaluate(epoch)
            except Stopped:
                self._save()    # of before the evaluation, which is made again
                raise
        self.state.evaluated = epoch
        self._save()
        if self.parallel.rank == 0:
            draw_curves(self.run_log.read(), self.folder.curves)

    def _evaluate(self, epoch: int) -> None:
        nets = {"net": self.net} | ({"ema": self.averaged.net} if self.averaged else {})
        scores = {}
        for kind, net in nets.items():
            self.parallel.broadcast_buffers(net)
            try:
                metrics = self.evaluation.run(net, self.folder.results, self.train_step.dtype,
                                              self.stop)
            except OddAnswers as error:
                self.watch.end_after(self.state.step, error.found)
            scores[kind] = metrics.values
            log.info("epoch %d, %s weights:\n%s", epoch, WEIGHTS[kind], table(metrics))
            self.run_log.add(kind="val", epoch=epoch, step=self.state.step, weights=kind,
                             protocol=protocol(self.config, f"{WEIGHTS[kind]}, epoch {epoch}"),
                             **metrics.values)
        name, state = self.config.val.best, self.state
        better = max(scores, key=lambda kind: rank(scores[kind], name))
        if len(scores) > 1:
            log.info("the %s weights are the better ones", WEIGHTS[better])
        if is_better(scores[better], state.best, name):
            state.without_better = 0
            state.best = scores[better] | {"epoch": epoch, "weights": better}
            self.folder.save_best({"ema": nets[better].state_dict(), "best": state.best,
                                   "step": state.step, "run": state.run_id, **state.about})
        elif epoch > self.config.optim.freeze_epochs:   # before, there is more to come
            state.without_better += 1

    def _save(self) -> None:
        self.watch.look_at_weights(self.net, self.state.step)
        self.saved_at = time.monotonic()
        self.folder.save(self.state.to_checkpoint())

    def _restore(self, stored: dict[str, Any]) -> None:
        state, last = self.state, self.folder.last
        state.restore(stored, str(last))
        log.info("going on from %s at step %d (epoch %d, %s)", last, state.step, state.epoch + 1,
                 in_words(state.best, self.config.val.best))
        if judged_otherwise(stored, self.config, state.about["skeleton"], last):
            state.forget_scores()
            self.older = [self.folder.best]

    def _announce(self) -> None:
        config = self.config
        log.info("%s: %s, %.1f M parameters, input %dx%d", config.model_name, config.model,
                 sum(p.numel() for p in self.net.parameters()) / 1e6, *config.codec.input_size)
        log.info("training set: %s", self.train_set.summary())
        log.info("validation set: %s", self.evaluation.dataset.summary())
        log.info("evaluation:\n%s", protocol(config))
        log.info("%s", plan_in_words(config.optim, self.sampler, self.train_step.dtype,
                                     self.parallel))
        log_rates(self.train_step.optimizer, config, self.state.epoch,
                  begins=self.state.step == 0)

    def say_the_end(self) -> None:
        """The last words, with pictures of the last evaluation."""
        if self.parallel.rank != 0:
            return
        if self.evaluation.results is not None:
            draw_results(self.evaluation.dataset, self.evaluation.results, self.skeleton,
                         self.folder.pictures)
        if self._out_of_patience() and self.state.epoch < self.config.optim.epochs:
            log.info("ended after epoch %d of %d: %s brought no better %s; with an optim.patience "
                     "of more the same command goes on", self.state.epoch, self.config.optim.epochs,
                     counted(self.state.without_better, "evaluation"), self.config.val.best)
        elif self.evaluation.results is None and self.folder.results.is_file():
            log.info("the run is finished; resume=false starts it again from the beginning")
        log.info("%s; %s", in_words(self.state.best, self.config.val.best), self.folder.in_words())
