"""How much the phones differ: numbers from the table of views (phones, classes).

`described` is what data.json holds on the phones, and all that the page shows of them.
"""

from collections.abc import Sequence

import numpy as np

from fer_models.local.phone_rows import PhoneData
from fer_models.run_folder.data_facts import ClassOnPhones, KeptPhones, PhoneFacts, Sizes
from simulations.world.holdout import class_views

MOST_KEPT = 200  # phones whose views are kept individually: as many columns as fit the page


def table(held: PhoneData, classes: int) -> np.ndarray:
    """Views of each class on each phone, (phones, classes) int64."""
    return class_views(held, np.arange(held.phones), classes)


def label_divergence(views: np.ndarray) -> float:
    """How far phones' class shares are from the overall ones: 0 (the same shares everywhere) to 1 bit.

    The Jensen-Shannon divergence between the two, in bits, as the mean over phones weighted by their views
    (Lin, Divergence measures based on the Shannon entropy, 1991, doi:10.1109/18.61115).
    """
    sizes, totals = views.sum(axis=1), views.sum(axis=0)
    shares = views / np.maximum(sizes, 1)[:, None]
    return float(np.average(_divergence(shares, totals / totals.sum()), weights=sizes))


def most_divergence(views: np.ndarray) -> float:
    """The label divergence if every phone held a single class: no partition of these views has more.

    The divergence is convex in a phone's shares, which are a mixture of those of single-class phones.
    """
    return label_divergence(np.diag(views.sum(axis=0)))


def size_gini(sizes: np.ndarray) -> float:
    """The Gini coefficient of the phones' sizes (n,): 0 if all are the same, 1 - 1/n if one has all.

    Half the mean difference between two phones, relative to the mean size (Gini, Variabilita e mutabilita,
    1912; Ceriani and Verme, 2012, doi:10.1007/s10888-011-9188-x, whose formula for sorted sizes this is).
    """
    ordered, n = np.sort(sizes).astype(np.float64), len(sizes)
    ranks = 2.0 * np.arange(1, n + 1) - n - 1
    return float(ranks @ ordered / (n * ordered.sum()))


def described(views: np.ndarray, classes: Sequence[str], rng: np.random.Generator) -> PhoneFacts:
    """Sizes, skew and classes of phones with `views` (phones, classes), and the table itself.

    With more than MOST_KEPT phones the table has a random sample of that many; the rest covers all.
    """
    sizes, phones = views.sum(axis=1), len(views)
    kept = np.sort(rng.choice(phones, MOST_KEPT, replace=False)) if phones > MOST_KEPT else np.arange(phones)
    low, middle, high = np.quantile(views, (0.1, 0.5, 0.9), axis=0).tolist()
    having = (views > 0).sum(axis=0).tolist()
    return PhoneFacts(
        phones=phones,
        sizes=Sizes(min=int(sizes.min()), median=float(np.median(sizes)), max=int(sizes.max())),
        views=int(sizes.sum()),
        label_divergence=label_divergence(views),
        most_divergence=most_divergence(views),
        size_gini=size_gini(sizes),
        classes={
            name: ClassOnPhones(phones=having[i], p10=low[i], median=middle[i], p90=high[i])
            for i, name in enumerate(classes)
        },
        kept=KeptPhones(
            phones=tuple(kept.tolist()),
            views={name: tuple(views[kept, i].tolist()) for i, name in enumerate(classes)},
        ),
    )


def _divergence(shares: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence in bits between each row of `shares` (n, C) and `whole` (C,), (n,)."""
    from scipy.special import rel_entr

    middle = (shares + whole) / 2
    nats = (rel_entr(shares, middle).sum(axis=1) + rel_entr(whole, middle).sum(axis=1)) / 2
    return np.asarray(np.maximum(nats, 0) / np.log(2))
