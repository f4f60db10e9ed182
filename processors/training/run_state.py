"""RunState: all that a run changes and goes on from; into a checkpoint, and back out of one."""
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from processors.evaluation.best_score import NONE_YET
from processors.models.stored_run import load_network
from processors.training.ema import ModelEma
from processors.training.finite_watch import FiniteWatch
from processors.training.train_step import TrainStep


def new_run_id() -> str:
    """When it began, and what tells it from others of that second, as a cluster begins many."""
    return f"{time.strftime('%Y-%m-%d %H:%M:%S')} {secrets.token_hex(4)}"


@dataclass
class RunState:
    """The epoch, the place in it and the learning rate follow from `step`."""
    about: dict[str, Any]       # config and skeleton, for those who have weights but no YAML files
    net: nn.Module
    averaged: ModelEma | None
    train_step: TrainStep       # for its optimizer and scaler
    watch: FiniteWatch          # for the steps that it skipped
    steps_per_epoch: int
    step: int = 0               # optimizer steps done, in epochs of `steps_per_epoch`
    evaluated: int = 0          # epochs done whose evaluation is settled
    best: dict[str, Any] = field(default_factory=lambda: NONE_YET)
    #                             numbers of the best evaluation, its epoch, and whose weights
    without_better: int = 0     # evaluations since the best one
    run_id: str = field(default_factory=new_run_id)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self.step // self.steps_per_epoch

    @property
    def place(self) -> int:
        """Steps done of the epoch that has begun."""
        return self.step % self.steps_per_epoch

    def to_checkpoint(self) -> dict[str, Any]:
        averaged = self.averaged.net if self.averaged else self.net
        return {
            "net": self.net.state_dict(), "ema": averaged.state_dict(),
            "optimizer": self.train_step.optimizer.state_dict(),
            "scaler": self.train_step.scaler.state_dict(),
            "step": self.step, "steps_per_epoch": self.steps_per_epoch,
            "evaluated": self.evaluated, "skipped": self.watch.skipped, "best": self.best,
            "without_better": self.without_better,
            "random": torch.get_rng_state(), "run": self.run_id, **self.about}

    def restore(self, stored: Mapping[str, Any], where: str) -> None:
        """Go on from a checkpoint. Raises UserError for weights that do not fit the network."""
        load_network(self.net, stored["net"], f"{where}, key net,")
        if self.averaged:
            load_network(self.averaged.net, stored["ema"], f"{where}, key ema,")
        self.train_step.restore(stored, where)
        self.step, self.evaluated = stored["step"], stored["evaluated"]
        self.watch.skipped = stored["skipped"]
        self.best, self.run_id = stored["best"], stored["run"]
        self.without_better = stored.get("without_better", 0)       # old files do not count
        torch.set_rng_state(stored["random"])

    def forget_scores(self) -> None:
        """The best begins anew, with the present weights once more where an epoch is done."""
        self.best, self.without_better = NONE_YET, 0
        if self.place == 0:
            self.evaluated = min(self.evaluated, self.epoch - 1)
