"""The outcome of one round, and its record: the line of rounds.jsonl."""

from dataclasses import dataclass, field

from fer_models.run_folder.rounds import RoundRecord
from server.evaluation import Judged


@dataclass(frozen=True)
class RoundResult:
    """The outcome of one round."""

    number: int
    phones: int
    photos: int  # views processed
    train_loss: float | None  # mean over the views processed; None if phones do not report it
    seconds: float  # from writing the orders to the new head
    wire_bytes: int  # payload of the simulation's own messages, both ways
    dropped: dict[int, str] = field(default_factory=dict)  # phones whose updates were dropped, and why
    metrics: dict[str, float] = field(default_factory=dict)  # of transforms and mechanisms, by name
    traffic: tuple[int, int] = (0, 0)  # bytes that real phones received and sent besides heads

    def record(self, found: Judged, *, down: int, up: int) -> RoundRecord:
        """The record, with the scores of the new head; `down` and `up` are bytes of real phones."""
        return RoundRecord(
            round=self.number,
            phones=self.phones,
            photos=self.photos,
            train_loss=self.train_loss,
            seconds=self.seconds,
            bytes_down=down,
            bytes_up=up,
            wire_bytes=self.wire_bytes,
            dropped=len(self.dropped),
            dropped_phones={str(phone): why for phone, why in self.dropped.items()},
            metrics=self.metrics,
            **vars(found),
        )
