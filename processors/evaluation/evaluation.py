"""Evaluation: the validation set of a Config, a network's results on it, and what they tell."""
from pathlib import Path

import torch
from torch import nn

from configs.checks import VAL_PATHS, ensure_set
from configs.schema import Config
from datasets.annotations.coco_file import CocoFile, read_coco
from datasets.annotations.skeleton import Skeleton
from datasets.broken_images import name_broken
from datasets.coco import val_set
from datasets.loaders import start_workers, val_loader
from datasets.shared_memory import ensure_shared_memory
from processors.evaluation.coco_metrics import CocoMetrics, coco_metrics, table
from processors.evaluation.ground_truth import GroundTruth, read_ground_truth
from processors.evaluation.joint_metrics import (
    Evaluated,
    ensure_metrics,
    with_metrics,
    with_visibility,
)
from processors.evaluation.matched_people import match_by_oks, match_by_row
from processors.evaluation.results_file import in_fields, to_results, write_results
from processors.judging.arrays import Results
from processors.models.inference import Decoding, concatenate, predict
from processors.models.pose_model import build_codec, decoders_of
from processors.models.pose_ranking import Predictions, finite_rows
from processors.runtime.parallel import Parallel
from processors.runtime.stop import Stopped, StopRequest
from processors.runtime.torch_errors import JUDGE_CURES, ensure_memory
from utils.errors import UserError
from utils.log import bar, log
from utils.outputs import ensure_output


class Evaluation:
    """Built once, run for many weights. Every process does an exact share of the persons.

    A detections file of which no box is left is a result like another: nobody is found, AP is 0,
    and a warning says what became of its boxes. Raises UserError or FileNotFoundError for files
    that are missing or none, and for annotations in which nobody is left to evaluate.
    """

    def __init__(self, config: Config, skeleton: Skeleton, parallel: Parallel):
        data, val = config.data, config.val
        self.config, self.skeleton, self.parallel = config, skeleton, parallel
        self.codec = build_codec(config, skeleton)
        ensure_set(data, *VAL_PATHS)
        file = read_coco(data.val_ann_path, "data.val_ann_path")    # held: it is read only once
        self.dataset = val_set(config, skeleton)
        if not len(self.dataset):
            log.warning("val.boxes: no box is left to use, so nobody can be found, in %s",
                        self.dataset.summary())
        for note in skeleton.notes():
            log.warning("%s", note)
        self.loader = val_loader(self.dataset, data, batch_size=val.batch_size,
                                 rank=parallel.rank, world_size=parallel.world_size,
                                 pin_memory=parallel.device.type == "cuda")
        assert self.loader.batch_size
        ensure_memory(min(self.loader.batch_size * parallel.local_size, len(self.dataset)),
                      self.codec, skeleton.num_joints, parallel.device, JUDGE_CURES)
        if parallel.rank == 0:
            ensure_shared_memory([self.loader], parallel.local_size)
        self.ground_truth = self._ground_truth(file)
        ensure_metrics(val.metrics, self.ground_truth, skeleton, val.best)
        self.results: list[dict] | None = None  # rows of the last file, process 0 only
        self.broken: set[Path] = set()      # images that cannot be used

    def start_workers(self) -> None:
        """Otherwise the first `run` does, when other threads may make that unsafe."""
        start_workers(self.loader)

    def run(self, net: nn.Module, results_path: Path, dtype: torch.dtype | None = None,
            stop: StopRequest | None = None) -> CocoMetrics:
        """The ten numbers of a network and those of val.metrics, the same in all processes.

        The results are written to `results_path` before they are judged. dtype: of mixed
        precision. stop: asked between batches whether to end the run. Raises OddAnswers, in all
        processes, where the network gives no finite number, and OSError where the
        results cannot be written: before the first batch if it shows by then, and otherwise
        after they have been judged and the numbers said.
        """
        decoding = Decoding(self.codec, self.config.val.flip_test)
        return self._judged(net, {"": decoding}, {"": results_path}, dtype, stop)[""]

    def sweep(self, net: nn.Module, folder: Path, dtype: torch.dtype | None = None,
              ) -> dict[str, CocoMetrics]:
        """Every decoder with and without flip test, all from one pass over the images.

        The results of each go to `{model_name}_{decoder}_{flip|noflip}_results.json` in `folder`,
        otherwise as `run`.
        """
        decodings, paths = {}, {}
        for decoder in decoders_of(self.config):
            codec = build_codec(self.config, self.skeleton, decoder)
            for flip, words in ((False, "no flip"), (True, "flip")):
                name = f"{decoder}, {words}"
                decodings[name] = Decoding(codec, flip)
                paths[name] = folder / (f"{self.config.model_name}_{decoder}_"
                                        f"{words.replace(' ', '')}_results.json")
        return self._judged(net, decodings, paths, dtype)

    def _judged(self, net: nn.Module, decodings: dict[str, Decoding], paths: dict[str, Path],
                dtype: torch.dtype | None, stop: StopRequest | None = None,
                ) -> dict[str, CocoMetrics]:
        """The numbers of each decoding, the same in all processes; its results are at its path."""
        first = self.parallel.rank == 0
        for path in paths.values() if first else ():
            ensure_output(path, "keypoint results", "val.weight_path",
                          (self.config.val.boxes, self.config.data.val_ann_path))
        people = self._predict(net, decodings, dtype, stop)
        return self.parallel.broadcast(self._write_and_judge(people, paths) if first else None)

    def _write_and_judge(self, people: dict[str, Predictions], paths: dict[str, Path],
                         ) -> dict[str, CocoMetrics]:
        metrics, failure = {}, None
        for name, found in people.items():
            results = self.to_results(found)
            self.results = results.rows()
            try:
                write_results(in_fields(self.results, self.ground_truth), paths[name])
            except OSError as error:
                log.error("the results cannot be written, they are judged all the same: %s", error)
                failure = error
            metrics[name] = self.judge(results, found)
        if failure:
            log.error("%s", table(metrics))
            raise failure
        return metrics

    def _predict(self, net: nn.Module, decodings: dict[str, Decoding], dtype: torch.dtype | None,
                 stop: StopRequest | None = None) -> dict[str, Predictions]:
        def batches():
            read = bar(self.loader, "evaluating", rank=self.parallel.rank)
            for batch in stop.watched(read) if stop else read:
                if stop and stop.asked():
                    return      # the shares differ in size, so the others hear of it at the end
                name_broken(batch, self.dataset, self.broken)
                yield batch

        training = [module for module in net.modules() if module.training]
        model = self.parallel.wrap(net.eval())
        try:
            found = predict(model, batches(), decodings, self.skeleton.flip_order,
                            self.config.model.input_format, self.parallel.device, dtype)
        except Stopped:     # in the wait for a batch
            if stop and self.parallel.world_size == 1:
                stop.leave_if_asked()
            raise
        finally:
            for module in training:     # each as it was: some may be frozen
                module.training = True
        if stop:
            stop.leave_if_asked()
        whole = {name: concatenate(self.parallel.all_gather(people))
                 for name, people in found.items()}
        return {name: people.take(finite_rows(people)) for name, people in whole.items()}

    @property
    def detected(self) -> bool:
        """Whether boxes are those of a detector."""
        return not self.config.val.ground_truth_boxes

    def to_results(self, people: Predictions) -> Results:
        """Scored, doubles suppressed."""
        return to_results(people, self.config.val, self.skeleton.sigmas, self.detected,
                          self.ground_truth.category)

    def judge(self, results: Results, people: Predictions) -> CocoMetrics:
        """results: of `to_results(people)`."""
        coco = coco_metrics(self.ground_truth, results, self.skeleton.sigmas,
                            judge=self.config.val.judge)
        names, tells = self.config.val.metrics, self.config.model.visibility
        if not set(names) - {"coco"} and not tells:
            return coco
        annotations = self.ground_truth.annotations
        if self.detected:
            matched = match_by_oks(annotations, results, self.skeleton.sigmas)
        else:
            rows = self.dataset.persons.rows[people.index]
            matched = match_by_row(annotations, people, rows, self.skeleton.num_joints)
        metrics = with_metrics(coco, names, Evaluated(matched, self.skeleton, self.ground_truth,
                                                      results))
        answers = results.visibility if self.detected else people.visibility
        return with_visibility(metrics, matched, answers) if tells else metrics

    def _ground_truth(self, file: CocoFile) -> GroundTruth:
        """The people to judge: with data.debug only the chosen ones, with
        val.only_images_with_boxes only those in images that the detections file names.

        Detected boxes are used without a look at the annotations, so what cannot be judged is said
        here, before the network runs."""
        data, val, persons = self.config.data, self.config.val, self.dataset.persons
        truth = read_ground_truth(file, self.skeleton.num_joints, data.category)
        if data.debug:
            truth = truth.on(persons.image_ids.tolist(),
                             None if self.detected else persons.rows.tolist())
        if self.detected and val.only_images_with_boxes:
            truth = truth.on({image["id"] for image in truth.images}
                             & set(persons.named_images.tolist()))
        ignored = sum(row["ignored"] for row in truth.annotations)
        if ignored and not truth.people:
            raise UserError(f"nobody in {truth.name} can be judged: num_keypoints is 0 for all "
                            f"{ignored} persons with labelled joints, and pycocotools ignores "
                            f"such; count them anew, or remove num_keypoints")
        if not truth.annotations:
            log.warning("%s has no annotations to judge by, as that of COCO's test-dev: results "
                        "are written, and all numbers are undefined", truth.name)
        return truth
