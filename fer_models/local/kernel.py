"""The arithmetic of the local update: one phone's epoch over its views as one compiled loop.

Softmax regression on features, trained by mini-batch Adam (Kingma and Ba, 2015, as torch.optim.Adam
computes it) or SGD. Everything a batch touches stays in the processor's cache, and no phone's
arithmetic depends on other phones, so neither block, thread nor node can change a bit.

A head of C classes on D features is one array (C, D + 1), float32, the bias in the last column
against a feature that is always 1. The random numbers (order of views, dropout) are counters
through SplitMix64 (Steele, Lea and Flood, 2014): cheap to reseed for every phone.

All of it is one file, although it is long: Numba keeps what it compiled until the file of the function that
is called changes, and would go on using the old arithmetic of other files.
"""

import numpy as np
from numba import njit

# Sums of many phones' updates are kept in float64 as integer multiples of QUANTUM. Such sums are
# exact, hence the same in every order and grouping, as long as each term and each sum is below EXACT_BELOW.
QUANTUM = 2.0**-26
EXACT_BELOW = (
    2.0**51 * QUANTUM
)  # rounding a term (below) is valid up to here; sums would be up to 4 times that
_MAGIC = 1.5 * 2.0**52 * QUANTUM  # adding and subtracting it rounds to a multiple of QUANTUM
_PER_UNIT = 1 / QUANTUM
# Sum, square root, factor and products of an update's norm are off by less than 2^-31 of it, for up to
# WITHIN_NUMBERS numbers; coordinates of a clip up to WITHIN_CLIP stay far below 2^53 quanta.
_SURELY = 1 - 2.0**-30
WITHIN_NUMBERS, WITHIN_CLIP = 2**22, 2.0**20
LOSS_MAGIC = 1.5 * 2.0**52 * 2.0**-20  # the same for losses: coarser, as they add up to more

# Reassociation lets the dot products be vectorised. No flag that assumes finite numbers: a head that
# diverges must be detected.
_FAST = {"reassoc", "contract", "nsz"}
_BELOW_ONE = 1.0 - 2.0**-53
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, inline="always")
def _mix(x):
    """SplitMix64's finaliser: a counter in, 64 well-mixed bits out."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(cache=True)
def sub_key(key, label):
    """A 64-bit key for `label` (a phone, an epoch) under `key`, both uint64."""
    return _mix(key ^ _mix((label + np.uint64(1)) * _GOLDEN))


@njit(cache=True)
def uniform(key, position):
    """A random number in [0, 1), float64: number `position` (0, 1 ...) of the stream of `key`."""
    return (_mix(key + np.uint64(position + 1) * _GOLDEN) >> np.uint64(11)) * 2.0**-53


@njit(cache=True)
def shuffled(key, n):
    """A permutation of 0..n-1 (n < 2**32), int64, determined by `key`: Fisher and Yates."""
    order = np.arange(n)
    for i in range(n - 1, 0, -1):
        bits = _mix(key + np.uint64(i) * _GOLDEN) >> np.uint64(32)
        j = np.int64((bits * np.uint64(i + 1)) >> np.uint64(32))
        order[i], order[j] = order[j], order[i]
    return order


@njit(cache=True, nogil=True)
def draw(pool, offsets, phones, each, concentration, seed, rows):
    """Fills `rows` (k * each,) with samples of `phones` (k,) from `pool`; `offsets` delimit its classes."""
    classes = np.empty(each, np.int64)
    shares = offsets / offsets[-1]
    for place in range(phones.shape[0]):
        own = sub_key(seed, np.uint64(phones[place]))
        for i in range(each):
            urn = uniform(own, 3 * i) * (concentration + i)
            if i == 0 or urn < concentration:  # a new class; the same random number determines which
                share = min(urn / concentration, _BELOW_ONE)  # rounding can make it 1
                label = np.searchsorted(shares, share, side="right") - 1
            else:
                label = classes[np.int64(uniform(own, 3 * i + 1) * i)]
            classes[i] = label
            held = offsets[label + 1] - offsets[label]
            rows[place * each + i] = pool[offsets[label] + np.int64(uniform(own, 3 * i + 2) * held)]


@njit(cache=True)
def keep_mask(key, position, width, dropout, words, mask):
    """Fills `mask` (>= width,) with 0 or 1 / (1 - dropout) for the view trained at `position`.

    Each 64-bit word covers four features, 16 bits each; `words` is (ceil(width / 4),) scratch.
    """
    quarter = (width + 3) // 4
    threshold = np.uint64(round(dropout * 65536))
    scale = np.float32(1.0 / (1.0 - dropout))
    start = key + np.uint64(position * quarter) * _GOLDEN
    for j in range(quarter):
        words[j] = _mix(start + np.uint64(j) * _GOLDEN)
    for part in range(4):
        shift = np.uint64(16 * part)
        first = part * quarter
        for j in range(min(quarter, width - first)):
            drop = ((words[j] >> shift) & np.uint64(0xFFFF)) < threshold
            mask[first + j] = np.float32(0) if drop else scale


@njit(cache=True, fastmath=_FAST, error_model="numpy")
def _forward(head, x, y, size, offsets, delta):
    """Writes the gradient of the batch's mean loss w.r.t. its logits to `delta`; returns the summed loss.

    `offsets` (C,) are added to the logits; a class at -inf is left out of the softmax.
    """
    classes, width = head.shape
    loss = 0.0
    for s in range(size):
        top = np.float32(-np.inf)
        for c in range(classes):
            dot = np.float32(0)
            for k in range(width):
                dot += head[c, k] * x[s, k]
            dot += offsets[c]
            delta[s, c] = dot
            top = max(top, dot)
        total = np.float32(0)
        label = delta[s, y[s]] - top
        for c in range(classes):
            delta[s, c] = np.exp(delta[s, c] - top)
            total += delta[s, c]
        loss += np.log(total) - label
        for c in range(classes):
            delta[s, c] /= total * np.float32(size)
        delta[s, y[s]] -= np.float32(1) / np.float32(size)
    return loss


@njit(cache=True, fastmath=_FAST, error_model="numpy")
def _weighted(head, x, y, size, offsets, delta, weights):
    """As `_forward`, for losses times `weights` (C,) float32 of their classes."""
    loss = 0.0
    for s in range(size):
        one = slice(s, s + 1)
        weight = weights[y[s]]
        loss += weight * _forward(head, x[one], y[one], 1, offsets, delta[one])
        for c in range(head.shape[0]):
            delta[s, c] *= weight / np.float32(size)
    return loss


@njit(cache=True, fastmath=_FAST, error_model="numpy")
def _gradient(x, delta, c, size, out):
    """Writes the sum over the batch of delta[s, c] * x[s] to `out` (width,).

    Four views at a time, which saves loads and stores of `out`.
    """
    width = out.shape[0]
    out[:] = np.float32(0)
    fours = size - size % 4
    for s in range(0, fours, 4):
        d0, d1, d2, d3 = delta[s, c], delta[s + 1, c], delta[s + 2, c], delta[s + 3, c]
        for k in range(width):
            out[k] += d0 * x[s, k] + d1 * x[s + 1, k] + d2 * x[s + 2, k] + d3 * x[s + 3, k]
    for s in range(fours, size):
        d0 = delta[s, c]
        for k in range(width):
            out[k] += d0 * x[s, k]


@njit(cache=True, fastmath=_FAST, error_model="numpy")
def _adam(head, first, second, gradient, lr, step):
    """One Adam step on a row of the head; betas 0.9 and 0.999, eps 1e-8, as torch computes it."""
    rate = np.float32(lr / (1.0 - 0.9**step))
    root = np.float32(1.0 / np.sqrt(1.0 - 0.999**step))
    b1, b2 = np.float32(0.9), np.float32(0.999)
    a1, a2 = np.float32(1 - 0.9), np.float32(1 - 0.999)
    for k in range(head.shape[0]):
        g = gradient[k]
        m = b1 * first[k] + a1 * g
        v = b2 * second[k] + a2 * g * g
        first[k] = m
        second[k] = v
        head[k] -= rate * m / (np.sqrt(v) * root + np.float32(1e-8))


@njit(cache=True, fastmath=_FAST, error_model="numpy")
def _bend(gradient, head, anchor, pull, correction):
    """Adds the strategy's terms to the gradient of a row of the head: pull * (head - anchor) + correction."""
    for k in range(head.shape[0]):
        gradient[k] += pull * (head[k] - anchor[k]) + correction[k]


@njit(cache=True, nogil=True)
def train_epoch(
    features, labels, rows, views, head, first, second, step, batch, lr, adam, dropout, key,
    offsets, anchor, pull, correction, weights,
):  # fmt: skip
    """One epoch over the first `views` of `rows` in the order of `key`; head and moments in place.

    features (m, D) float32, labels (m,) int64, rows (n,) int64 into both; head, first and second
    (C, D + 1) float32; step: optimiser steps done so far. offsets (C,) float32 are added to the logits; if
    `correction` (C or 0, D + 1) has rows, pull * (head - anchor) + correction is added to every gradient;
    if `weights` (C or 0,) has values, the loss of a view is weighted by that of its class.
    Returns (summed loss, steps done).
    """
    n, width = rows.shape[0], features.shape[1]
    order = shuffled(sub_key(key, np.uint64(0)), n)
    drop_key = sub_key(key, np.uint64(1))
    largest = min(batch, views)
    x = np.ones((largest, width + 1), np.float32)
    y = np.empty(largest, np.int64)
    delta = np.empty((largest, head.shape[0]), np.float32)
    gradient = np.empty(width + 1, np.float32)
    mask = np.empty(width, np.float32)
    words = np.empty((width + 3) // 4, np.uint64)
    loss = 0.0
    for start in range(0, views, batch):
        size = min(batch, views - start)
        for s in range(size):
            row = rows[order[start + s]]
            y[s] = labels[row]
            if dropout > 0:
                keep_mask(drop_key, start + s, width, dropout, words, mask)
                for k in range(width):
                    x[s, k] = features[row, k] * mask[k]
            else:
                for k in range(width):
                    x[s, k] = features[row, k]
        if weights.shape[0]:
            loss += _weighted(head, x, y, size, offsets, delta, weights)
        else:
            loss += _forward(head, x, y, size, offsets, delta)
        step += 1
        for c in range(head.shape[0]):
            _gradient(x, delta, c, size, gradient)
            if correction.shape[0]:
                _bend(gradient, head[c], anchor[c], np.float32(pull), correction[c])
            if adam:
                _adam(head[c], first[c], second[c], gradient, lr, step)
            else:
                for k in range(width + 1):
                    head[c, k] -= np.float32(lr) * gradient[k]
    return loss, step


@njit(cache=True)
def add_exactly(total, head, start, weight):
    """Adds weight * (head - start) to `total`, float64, each term rounded to a multiple of QUANTUM."""
    for c in range(head.shape[0]):
        for k in range(head.shape[1]):
            term = weight * (np.float64(head[c, k]) - np.float64(start[c, k]))
            total[c, k] += (term + _MAGIC) - _MAGIC


@njit(cache=True, fastmath=_FAST, error_model="numpy")
def _square(head, start):
    """The squared Euclidean norm of head - start, computed in float64."""
    square = 0.0
    for c in range(head.shape[0]):
        for k in range(head.shape[1]):
            d = np.float64(head[c, k]) - np.float64(start[c, k])
            square += d * d
    return square


@njit(cache=True)
def add_within(total, head, start, clip):
    """Adds head - start to `total`, clipped to a norm of `clip` and rounded towards zero to QUANTUM.

    The exact norm of what is added is at most `clip`: a norm computed in floating point proves nothing, and
    rounding to the nearest could lengthen the update again. So it is scaled to a little less than the clip,
    by more than all rounding together, and rounding towards zero only shortens it. An update within the clip
    is only rounded; one that is less than a billionth below it may be shortened by as little. Returns the
    norm before; an update whose norm is not finite adds nothing, and counts as 0.
    """
    norm = np.sqrt(_square(head, start))
    if not np.isfinite(norm):
        return 0.0
    limit = clip * _SURELY
    factor = 1.0 if norm <= limit else limit / norm
    for c in range(head.shape[0]):
        for k in range(head.shape[1]):
            d = (np.float64(head[c, k]) - np.float64(start[c, k])) * factor
            total[c, k] += np.trunc(d * _PER_UNIT) * QUANTUM
    return norm


@njit(cache=True)
def _difference(out, head, start):
    """Writes head - start to `out`, computed in float64."""
    for c in range(head.shape[0]):
        for k in range(head.shape[1]):
            out[c, k] = np.float64(head[c, k]) - np.float64(start[c, k])


@njit(cache=True)
def add_updates(total, updates, weights):
    """Adds weights[i] * updates[i] to `total` (C, D + 1), each term rounded as `add_exactly` rounds it.

    updates (k, C, D + 1) and weights (k,), float64.
    """
    for i in range(updates.shape[0]):
        for c in range(updates.shape[1]):
            for k in range(updates.shape[2]):
                total[c, k] += (weights[i] * updates[i, c, k] + _MAGIC) - _MAGIC


@njit(cache=True, fastmath=_FAST, error_model="numpy")
def norms(updates):
    """The Euclidean norm of each update of (k, C, D + 1) float64: (k,) float64."""
    out = np.empty(updates.shape[0])
    for i in range(updates.shape[0]):
        square = 0.0
        for c in range(updates.shape[1]):
            for k in range(updates.shape[2]):
                square += updates[i, c, k] * updates[i, c, k]
        out[i] = np.sqrt(square)
    return out


@njit(cache=True)
def add_updates_within(total, updates, clip, norms):
    """Adds every update of (k, C, D + 1) float64 as `add_within` does; fills `norms` (k,) before clipping."""
    nothing = np.zeros_like(total)
    for i in range(updates.shape[0]):
        norms[i] = add_within(total, updates[i], nothing, clip)


@njit(cache=True)
def add_rounded(total, values):
    """Adds `values` to `total`, both float64 (m, n), each rounded to a multiple of QUANTUM."""
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            total[i, j] += (values[i, j] + _MAGIC) - _MAGIC


@njit(cache=True, fastmath=_FAST, error_model="numpy")
def distance(head, start):
    """The Euclidean distance between two heads."""
    square = 0.0
    for c in range(head.shape[0]):
        row = np.float32(0)
        for k in range(head.shape[1]):
            d = head[c, k] - start[c, k]
            row += d * d
        square += row
    return np.sqrt(square)


@njit(cache=True)
def class_counts(labels, rows, classes):
    """Views of each class among `rows`, (classes,) int64."""
    counts = np.zeros(classes, np.int64)
    for row in rows:
        counts[labels[row]] += 1
    return counts


@njit(cache=True)
def logit_offsets(counts, margin, prior, out):
    """Fills `out` (C,) with prior * log n - margin * n^(-1/4), n the views of each class, `counts` (C,).

    A class without views gets -inf; with neither margin nor prior all are 0.
    """
    for c in range(out.shape[0]):
        if margin == 0 and prior == 0:
            out[c] = np.float32(0)
        elif counts[c] == 0:
            out[c] = np.float32(-np.inf)
        else:
            n = np.float64(counts[c])
            out[c] = np.float32(prior * np.log(n) - margin * n**-0.25)


@njit(cache=True)
def class_weights(counts, out):
    """Writes the weight of each class's loss to `out` (C,): n / (K * n_c), for `counts` (C,) views n_c of a
    class, n in all, K classes that have any; so the mean over the views is 1, and all classes weigh alike.
    """
    n, held = 0, 0
    for c in range(counts.shape[0]):
        n += counts[c]
        held += counts[c] > 0
    for c in range(counts.shape[0]):
        out[c] = n / (held * counts[c]) if counts[c] else 0.0


@njit(cache=True, nogil=True)
def train_phones(
    features, labels, rows, firsts, lasts, phones, weights, anchor, starts, batch, lr, adam, dropout, epochs,
    key, pull, margin, prior, corrections, weighted, limit, clip, total, each, reaches, losses,
):  # fmt: skip
    """Trains every phone of `phones` (k,) for `epochs`; adds weight * (its head - its start) to `total`.

    The i-th phone owns rows[firsts[i]:lasts[i]] and starts from starts[i], or from starts[0] if that is the
    only one. `anchor` is the head of the round. corrections: (k, C, D + 1), or (1, ...) for all phones, or
    (0, ...) for none. `weighted`: whether losses are weighted by `class_weights`. Outputs: `each` (k or 0, C,
    D + 1), float32 or float64, the phones' updates; `reaches` (k,), weight * norm of each phone's update, nan
    if its numbers are not finite; `losses` (k,), each phone's training loss summed over its views. A phone
    whose reach is not below `limit` adds nothing to `total`. With a `clip` above 0 every update is added as
    `add_within` adds it, whatever the weights, and `reaches` are the norms before clipping.
    """
    head = np.empty_like(anchor)
    first = np.empty_like(anchor)
    second = np.empty_like(anchor)
    offsets = np.empty(anchor.shape[0], np.float32)
    none = np.empty((0, anchor.shape[1]), np.float32)
    weights_of = np.empty(anchor.shape[0] if weighted else 0, np.float32)
    for i in range(phones.shape[0]):
        own = rows[firsts[i] : lasts[i]]
        start = starts[i if starts.shape[0] > 1 else 0]
        correction = none
        if corrections.shape[0]:
            correction = corrections[i if corrections.shape[0] > 1 else 0]
        counts = class_counts(labels, own, anchor.shape[0])
        logit_offsets(counts, margin, prior, offsets)
        if weighted:
            class_weights(counts, weights_of)
        head[:] = start
        first[:] = np.float32(0)
        second[:] = np.float32(0)
        phone_key = sub_key(key, np.uint64(phones[i]))
        step, phone_loss = np.int64(0), 0.0  # a literal 0 would have train_epoch compiled for it alone
        for epoch in range(epochs):
            epoch_key = sub_key(phone_key, np.uint64(epoch))
            epoch_loss, step = train_epoch(
                features, labels, own, own.shape[0], head, first, second, step,
                batch, lr, adam, dropout, epoch_key, offsets, anchor, pull, correction, weights_of,
            )  # fmt: skip
            phone_loss += epoch_loss
        if clip > 0:
            sound = np.isfinite(phone_loss)
            reaches[i] = add_within(total, head, start, clip) if sound else 0.0
            losses[i] = (phone_loss + LOSS_MAGIC) - LOSS_MAGIC if sound else 0.0
            continue
        far = distance(head, start)
        reaches[i] = weights[i] * far if np.isfinite(far) and np.isfinite(phone_loss) else np.nan
        losses[i] = (phone_loss + LOSS_MAGIC) - LOSS_MAGIC
        if not reaches[i] < limit:
            continue
        add_exactly(total, head, start, weights[i])
        if each.shape[0]:
            _difference(each[i], head, start)
