"""TensorBoard: an event file in `tensorboard/<part>` of the run folder, written by tensorboardX.

Written in place, without the writer's queue and thread, which would wait for ever on a full disk. To be read
with `tensorboard --logdir DIR/tensorboard`; the file format: tensorflow/core/util/event.proto.
"""

import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from simulations.mirrors.base import Copy, Mirror, Mirrored

_LAST = "round"  # the tag that is written last: with it a round is whole
_HEAD, _FOOT = 12, 4  # bytes around a record: its length and that number's checksum; its own checksum


@dataclass(frozen=True)
class TensorBoard(Mirror):
    """Scalars over rounds, and the settings as a text."""

    package: ClassVar[str] = "tensorboardX"
    extra: ClassVar[str] = "tensorboard"

    def open(self, run: Mirrored) -> Copy:
        """A new event file beside those that the run may have."""
        return _Events(run.home / "tensorboard" / run.part, run.settings)


class _Events(Copy):
    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog
        from tensorboardX.summary import text

        folder.mkdir(parents=True, exist_ok=True)
        self.last = last_round(folder)
        known = any(folder.iterdir())
        self._writer = EventsWriter(str(folder / "events"), f".{time.time_ns()}")
        if known:  # readers drop what an interrupted round has left
            self._write(session_log=SessionLog(status=SessionLog.START), step=self.last + 1)
        else:
            lines = "\n".join(f"    {key} = {value}" for key, value in settings.items())
            self._write(summary=text("settings", lines), step=0)
        self._writer.flush()

    def add(self, number: int, scores: Mapping[str, float]) -> None:
        self._scalars(number, {**scores, _LAST: number})
        self.last = number

    def end(self, scores: Mapping[str, float]) -> None:
        self._scalars(self.last, scores)

    def close(self, *, finished: bool) -> None:
        self._writer.close()

    def _scalars(self, number: int, scores: Mapping[str, float]) -> None:
        from tensorboardX.summary import scalar

        for name, value in scores.items():
            self._write(summary=scalar(name, value), step=number)
        self._writer.flush()

    def _write(self, **fields: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), **fields))


def events(folder: Path) -> Iterator[Any]:
    """The events in a folder's files, oldest file first; one that was cut off ends its file."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted(folder.glob("events.*"), key=lambda path: path.name.rpartition(".")[2]):
        content, start = path.read_bytes(), 0
        while len(content) >= start + _HEAD:
            (length,) = struct.unpack_from("<Q", content, start)
            end = start + _HEAD + length
            if len(content) < end + _FOOT:
                break
            yield Event.FromString(content[start + _HEAD : end])
            start = end + _FOOT


def last_round(folder: Path) -> int:
    """The last round that is whole; 0 if there is none."""
    whole = (e.step for e in events(folder) for value in e.summary.value if value.tag == _LAST)
    return max(whole, default=0)
