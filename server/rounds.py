"""A federated run, as one page: round by round from one checkpoint to the next.

A round (`Rounds.round`):
1. select: which phones train, by the seed and the round's number (server/selection.py), or by the coins of
   the privacy mechanism;
2. ask: the algorithm's inputs for each phone; one order with the head goes to each node (server/exchange.py);
3. collect: a lost node's phones go to other nodes; a round with too few phones is repeated once; with
   secure aggregation, in four steps of which only the sum is seen (server/secure.py);
4. schedule: which nodes' replies are folded now, later or never (server/scheduler.py);
5. mechanisms: what is done to their sum before the algorithm sees it (server/mechanisms); last of them is
   the noise of a private run, also on the sum of no phones (server/mechanisms/privacy/central.py);
6. step: the algorithm computes the next head from the mean update, or from all updates (server/strategies);
7. judge: the new head is evaluated on the validation photos, pooled and per phone (server/evaluation.py);
8. hand out: the round's record and its checkpoint go to one callback; of a private run, what must not be
   released goes to another.

A closed form is a single round of sums instead (`Rounds.solve`, server/forms.py); other strategies may start
from its head. The last step of fine-tuning is `Rounds.adapt`. The plan's `transforms` are applied to the
phones' updates before these are summed (fer_models/local/transforms.py).
"""

import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from flwr.serverapp import Grid

from fer_models.errors import RunError
from fer_models.heads import payload
from fer_models.local import kernel
from fer_models.local.training import Update
from fer_models.order import Order
from server.checkpoint import Checkpoint
from server.collect import asking, check_folded, enough, finish
from server.evaluation import Judged, judged
from server.exchange import Exchange
from server.forms import Forms
from server.greeting import greet
from server.job import Job, Plan
from server.mechanisms.base import SpentError, SumContext, applied
from server.replies import Replies, Reply, folded
from server.result import RoundResult
from server.scheduler import decided
from server.selection import select
from server.strategies import personal_heads
from server.strategies.base import Algorithm, RoundUpdates, State
from server.strategies.closed_form import ClosedForm, PrivateForm
from server.strategies.registry import make

if TYPE_CHECKING:
    from server.mechanisms.privacy.central import Released


def run(grid: Grid, job: Job) -> None:
    """Runs the job on the nodes of the grid; reports results through the job's callbacks."""
    algorithm = make(job.plan.strategy)
    more = algorithm.needs_updates or algorithm.measures or job.plan.strategy.sums
    if more and (job.mechanisms or job.plan.secagg.on):
        raise RunError(
            f"strategy.name = {job.plan.strategy.name} reads more than the sum of updates, which is all that"
            " mechanisms change, or that secure aggregation tells; choose another strategy",
            resumable=False,
        )
    if job.private is not None and job.mechanisms:
        raise RunError("a private run has no other mechanism: it would follow the exact sum", resumable=False)
    if job.private is not None and not algorithm.can_be_private:
        raise RunError(f"strategy.name = {job.plan.strategy.name} needs more than a private mean")
    clip = job.private.clip(job.private.begin()) if job.private else 0.0
    plan = greet(grid, job, job.plan.order(algorithm, 0, clip))
    rounds = Rounds(grid, job, plan, algorithm)
    if isinstance(algorithm, ClosedForm):
        rounds.solve(algorithm, job.start)
        return
    reached = Reached(job.start)
    if (form := plan.strategy.form) is not None and job.start.number == 0:
        found = rounds.forms.solved(form, job.start.head)
        reached = Reached(replace(job.start, head=found.head), found.sent)
    while reached.checkpoint.number < job.rounds:
        if (after := rounds.next(reached)) is None:
            job.on_stopped()
            break
        reached = after
    if len(job.adapting):
        job.on_adapted(rounds.adapt(reached.checkpoint.selection.head, job.adapting))


@dataclass(frozen=True)
class Reached:
    """What a round passes on to the next one."""

    checkpoint: Checkpoint
    sent: int = 0  # bytes that phones sent for its head and that no round's record counts yet


@dataclass(frozen=True)
class Rounds:
    """The steps of a run. Immutable: state goes in as a `Reached` and comes out as the next one."""

    grid: Grid
    job: Job
    plan: Plan
    algorithm: Algorithm
    began: float = field(default_factory=time.perf_counter)

    def next(self, reached: Reached) -> Reached | None:
        """Runs the next round; None if the privacy budget ends the run before it."""
        private = self.job.private
        if private is None:
            return self.round(reached)
        if not private.goes_on(reached.checkpoint.number + 1):
            return None
        try:
            return self.round(reached)
        except SpentError:
            if private.stops:
                return None
            raise

    def round(self, reached: Reached) -> Reached:
        """Runs the next round."""
        before, plan, algorithm, began = reached.checkpoint, self.plan, self.algorithm, time.perf_counter()
        number, private = before.number + 1, self.job.private
        phones = self._select(number)
        state = before.state or algorithm.begin(before.head)
        kept = before.private or (private.begin() if private else {})
        clip = private.clip(kept) if private else 0.0
        replies, wire_bytes = self._collect(number, before.head, phones, state, clip)
        clock = self.job.start.seconds + time.perf_counter() - self.began
        last = number == self.job.rounds
        decision = decided(
            self.job.scheduler, replies.nodes, before.waiting, clock, least=plan.min_phones, last=last
        )
        reply = folded(decision.now, before.head.shape)
        head, update, released = before.head, reply.update, None
        metrics = {**replies.metrics, **self._measured(reply)}
        if update.phones:
            check_folded(reply, number, plan, failed=bool(replies.dropped))
            context = SumContext(number, plan.seed, len(phones), before.head)
            update, found = applied(self.job.mechanisms, update, context)
            metrics |= found
        if private:
            released = private.release(update, number, kept)
            update, kept = released.update, released.state
        if update.phones and update.views:
            head, state = algorithm.step(before.head, self._received(reply, update), state)
        result = RoundResult(
            number=number,
            phones=reply.update.phones,
            photos=reply.update.photos,
            train_loss=reply.update.loss / reply.update.photos if reply.update.photos else None,
            seconds=time.perf_counter() - began,
            wire_bytes=wire_bytes,
            dropped=decision.dropped_phones(number, replies.dropped),
            metrics=metrics,
            traffic=replies.traffic,
        )
        after = replace(
            before, number=number, head=head, state=state, waiting=tuple(decision.later), private=kept
        )
        return Reached(self._hand_out(after, result, released, reached.sent))

    def _select(self, number: int) -> np.ndarray:
        """The phones of round `number`, sorted by id."""
        if self.job.private is not None:
            return self.job.private.select(number)
        plan = self.plan
        return select(len(plan.sizes), plan.phones_per_round, seed=plan.seed, number=number)

    def _measured(self, reply: Reply) -> dict[str, float]:
        """The transforms' metrics for the round's record."""
        if not self.plan.transforms or not reply.update.phones:
            return {}
        changes = self.plan.order(self.algorithm, 0).changes
        return changes.summary(reply.metrics) if changes else {}

    def solve(self, form: ClosedForm, before: Checkpoint) -> Checkpoint:
        """The single round of a closed form."""
        private = self.job.private
        if private is None:
            found = self.forms.solved(form, before.head)
        else:
            assert isinstance(form, PrivateForm)  # others are refused
            found = self.forms.solved_privately(form, private, before.head)
        kept = before.private if found.released is None else found.released.state
        after = replace(before, number=1, head=found.head, state=found.state, private=kept)
        return self._hand_out(after, found.result, found.released, found.sent)

    @property
    def forms(self) -> Forms:
        """To ask the phones for the sums of a closed form."""
        return Forms(self.grid, self.plan, self.algorithm, self.job.validation)

    def adapt(self, head: np.ndarray, phones: np.ndarray) -> np.ndarray:
        """Personal heads (k, C, D + 1) of `phones`: each fine-tunes `head` after the last round.

        A phone whose update cannot be used keeps the head unchanged.
        """
        plan = replace(self.plan, transforms="")  # what phones keep for themselves is never sent
        order = plan.order(self.algorithm, self.job.rounds + 1)
        order = replace(order, epochs=self.algorithm.epochs_after, local=self.algorithm.local_after)
        order = replace(order, each=True, losses=False, measures="")
        exchange = asking(self.plan, order, head, phones)
        finish(exchange, self.grid, self.plan)
        reply = folded(exchange.answers().nodes, head.shape)
        own = np.repeat(head[None], len(phones), axis=0)
        own[np.searchsorted(phones, reply.phones)] += reply.each.get("updates", own[:0])
        return own

    def _collect(
        self, number: int, head: np.ndarray, phones: np.ndarray, state: State, clip: float
    ) -> tuple[Replies, int]:
        """The replies of `phones`, once enough are usable, and the bytes on the wire.

        Updates that are too large only together are requested once more, each within an equal share.
        """
        order, wire_bytes = self.plan.order(self.algorithm, number, clip), 0
        if self.plan.secagg.on:
            from server.secure import collected  # it brings the cryptography, which other runs do not need

            return collected(
                self.grid, self.plan, order, head, phones,
                lambda: self.algorithm.ask(head, phones, *self._lengths(phones), state),
            )  # fmt: skip
        for limit in (kernel.EXACT_BELOW, kernel.EXACT_BELOW / (len(phones) + 1)):
            limited = replace(order, reach_limit=limit)

            def exchange(order: Order = limited) -> Exchange:
                inputs = self.algorithm.ask(head, phones, *self._lengths(phones), state)
                return asking(self.plan, order, head, phones, inputs=inputs)

            answers, sent = enough(self.grid, self.plan, number, exchange, Exchange.answers, len(phones))
            wire_bytes += sent
            if answers.reach < kernel.EXACT_BELOW:
                return answers, wire_bytes
        raise RunError(f"in round {number} nodes sent larger updates than they may", resumable=False)

    def _received(self, reply: Reply, update: Update) -> RoundUpdates:
        """The reply and its sum in the form the algorithm reads; in a private run, the mean alone."""
        mean, own = update.total / update.views, reply.own.get("heads")
        if self.job.private is not None:
            nobody = reply.phones[:0]
            phones = nobody if own is None else reply.phones
            return RoundUpdates(phones=phones, views=nobody, mean=mean, own=own, output=self.plan.output)
        views, steps = self._lengths(reply.phones)
        return RoundUpdates(
            phones=reply.phones,
            views=views,
            mean=mean,
            updates=reply.each.get("updates"),
            losses=reply.each.get("losses"),
            steps=steps,
            output=self.plan.output,
            share=reply.update.views / int(self.plan.counts.sum()),
            own=own,
            measured={name: reply.each[name] for name in self.algorithm.measures},
            rates=self.plan.rates(self.algorithm, reply.rounds),
        )

    def _lengths(self, phones: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What each of `phones` counts, (k,) int64, and its optimiser steps per round."""
        return self.plan.counts[phones], self.plan.epochs * -(
            -self.plan.sizes[phones] // self.plan.train.batch
        )

    def _hand_out(
        self, after: Checkpoint, result: RoundResult, released: "Released | None" = None, sent: int = 0
    ) -> Checkpoint:
        """Evaluates the head and reports the round; the selection of `after` is that of the round before.

        `sent`: bytes that phones sent besides. A private run reports the bytes of the expected phones.
        """
        found = self._judged(result.number, after.head, after.state)
        size, algorithm = payload(after.head), self.algorithm
        down, up = (
            result.phones * multiple * size * (not algorithm.closed_form)
            for multiple in (algorithm.heads_down, algorithm.heads_up)
        )
        record = result.record(found, down=down + result.traffic[0], up=up + sent + result.traffic[1])
        if released is not None:
            self.job.on_unreleased(replace(record, metrics={**record.metrics, **released.unreleased}))
            phones = released.update.phones * (not algorithm.closed_form)
            down, up = (n * size * phones for n in (algorithm.heads_down, algorithm.heads_up))
            record = record.released(released.metrics, down=down, up=up + sent)
        logging.getLogger("flwr").info(
            "round %d: %s phones, %d dropped, %.3f s, training loss %s",
            *(record.round, record.phones, record.dropped, record.seconds, record.train_loss),
        )
        selection = after.selection.after(after.head, result.number, record.val_macro_f1)
        reached = replace(after, selection=selection)
        self.job.on_round(record, reached)
        return reached

    def _judged(self, number: int, head: np.ndarray, state: State) -> Judged:
        """The scores on the validation photos; empty in rounds without evaluation."""
        job = self.job
        if number % job.evaluation.every and number != job.rounds:
            return Judged()
        return judged(
            head,
            job.validation,
            job.validation_on_phones,
            personal_heads.of(state),
            instead=self.algorithm.own == "instead",
            classifier=job.classifier,
        )
