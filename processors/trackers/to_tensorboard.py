"""TensorBoard: event files in val.weight_path/tensorboard, written anew at each start."""
import time
from pathlib import Path
from typing import Any

from processors.trackers.entries import Entry
from processors.trackers.tracker import TrackedRun, say


class TensorBoard:
    replaces = True

    def __init__(self, run: TrackedRun):
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.plugins.text import metadata
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
        from tensorboard.util.tensor_util import make_tensor_proto
        self.event, self.summary = event_pb2, summary_pb2
        self.text_metadata, self.to_tensor = metadata, make_tensor_proto
        self.address = f"tensorboard --logdir {Path(run.folder, 'tensorboard')}"
        self.writer = EventFileWriter(str(Path(run.folder, "tensorboard", run.name)))
        begin = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self.writer.add_event(event_pb2.Event(      # readers forget all from this step on
            wall_time=time.time(), step=0, session_log=begin))
        settings = "\n".join(f"    {key}: {value}" for key, value in run.settings.items())
        self._write(0, time.time(), self._text("settings", settings))

    def has(self, number: int, entry: Entry) -> bool:
        return False

    def add(self, entries: list[Entry]) -> None:
        value = self.summary.Summary.Value
        for entry in entries:
            self._write(
                entry.step, entry.time,
                *(value(tag=name, simple_value=number) for name, number in entry.numbers.items()),
                *(self._text(name, text.replace("\n", "\n\n"))
                  for name, text in entry.texts.items()))
        self.writer.flush()

    def _text(self, name: str, markdown: str) -> Any:
        return self.summary.Summary.Value(
            tag=name, metadata=self.text_metadata.create_summary_metadata(name, ""),
            tensor=self.to_tensor([markdown.encode()], dtype="string"))

    def _write(self, step: int, seconds: float, *values: Any) -> None:
        self.writer.add_event(self.event.Event(
            wall_time=seconds, step=step, summary=self.summary.Summary(value=values)))

    def add_picture(self, path: Path, step: int) -> None:
        image = self.summary.Summary.Image(encoded_image_string=path.read_bytes())
        self._write(step, time.time(), self.summary.Summary.Value(tag="predictions", image=image))

    def add_weights(self, path: Path) -> None:
        say(f"keeps no weights; they are in {path}")

    def close(self, finished: bool) -> None:
        self.writer.close()
