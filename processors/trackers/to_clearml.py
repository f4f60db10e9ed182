"""ClearML, on the server of its own settings, or in its offline mode (CLEARML_OFFLINE_MODE=1)."""
import re
from pathlib import Path

from processors.trackers.entries import Entry
from processors.trackers.tracker import TrackedRun

# What it would change or look into. The search for a repository starts processes in a thread while
# the client forks, which may hang for ever, and takes along what is not committed.
WATCHED = ("detect_repository", "pytorch", "tensorboard", "tensorflow", "tfdefines", "matplotlib",
           "joblib", "scikit", "hydra", "gradio", "fastai", "xgboost", "catboost", "lightgbm",
           "megengine")


class Clearml:
    replaces = True     # its server keeps one number for a name and a step

    def __init__(self, run: TrackedRun):
        from clearml import Task
        name = f"{run.name} {run.key}"
        found = [] if Task.is_offline() else Task.query_tasks(run.project, f"^{re.escape(name)}$")
        self.task = Task.init(
            run.project, name, reuse_last_task_id=found[0] if found else False,
            continue_last_task=0, auto_connect_arg_parser=False, auto_connect_streams=False,
            auto_connect_frameworks=dict.fromkeys(WATCHED, False),
            auto_resource_monitoring=False)
        self.logger = self.task.get_logger()
        self.address = str(self.task.get_offline_mode_folder() if Task.is_offline()
                           else self.task.get_output_log_web_page())
        self.task.set_parameters({f"settings/{key}": value for key, value in run.settings.items()})

    def has(self, number: int, entry: Entry) -> bool:
        return False

    def add(self, entries: list[Entry]) -> None:
        for entry in entries:
            for name, value in entry.numbers.items():
                self.logger.report_scalar(name, name.rpartition("/")[2], value, entry.step)
            for name, text in entry.texts.items():
                self.logger.report_text(f"{name}\n{text}", print_console=False)

    def add_picture(self, path: Path, step: int) -> None:
        self.logger.report_image("predictions", "predictions", step, local_path=str(path))

    def add_weights(self, path: Path) -> None:
        self.task.upload_artifact("best weights", str(path), wait_on_upload=True)

    def close(self, finished: bool) -> None:
        self.task.flush(wait_for_uploads=True)
        self.task.close()
