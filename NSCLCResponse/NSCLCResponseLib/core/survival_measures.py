"""How a probability of response goes with progression and death: curves by predicted group, log-rank, C, AUC in time.

Larger scores mean a better course throughout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .evaluation import Interval
from .survival_fit import c_index_interval, censoring_weights

if TYPE_CHECKING:
    import numpy as np

_FEWEST_EVENTS = 5
MONTHS = (6.0, 12.0, 24.0)
_TICKS = (1, 2, 3, 6, 12, 24, 60)  # months between two counts of patients at risk
_MOST_TICKS = 7


def survival_measures(
    time: np.ndarray, event: np.ndarray, score: np.ndarray, positive: np.ndarray, seed: int = 0
) -> dict[str, Any] | None:
    """Everything that the report shows of one time to an event; ``None`` with too few events.

    :param time: (patients,) months, NaN where unknown. :param event: (patients,) of bool.
    :param score: (patients,). :param positive: (patients,) whether called a responder.
    """
    import numpy as np

    known = np.isfinite(time) & np.isfinite(score)
    time, event, score, positive = (np.asarray(a)[known] for a in (time, event, score, positive))
    event = event.astype(bool)
    if event.sum() < _FEWEST_EVENTS:
        return None
    found: dict[str, Any] = {
        "patients": len(time),
        "events": int(event.sum()),
        "c_index": c_index_interval(score, time, event, seed).to_json(),
        "auc_at": [
            {"months": months, **measured}
            for months in MONTHS
            if (measured := time_dependent_auc(time, event, score, months)) is not None
        ],
        "groups": [
            {"predicted": words, **kaplan_meier(time[rows], event[rows])}
            for words, rows in (("responder", positive), ("non-responder", ~positive))
            if rows.any()
        ],
    }
    ticks = risk_ticks(float(time.max()))
    for group, rows in zip(found["groups"], [r for r in (positive, ~positive) if r.any()], strict=True):
        group["at_risk"] = {"months": ticks, "patients": [int((time[rows] >= t).sum()) for t in ticks]}
    if positive.any() and not positive.all():
        found["log_rank_p"] = log_rank(time, event, positive)
        found["hazard_ratio"] = hazard_ratio(time, event, positive)
    return found


def risk_ticks(longest: float) -> list[float]:
    """Months at which patients at risk are counted, from 0 on, at most seven of them."""
    step = next((s for s in _TICKS if longest / s < _MOST_TICKS), longest / (_MOST_TICKS - 1))
    return [float(step * index) for index in range(int(longest / step) + 1)]


def kaplan_meier(time: np.ndarray, event: np.ndarray) -> dict[str, Any]:
    """The product-limit curve (Kaplan & Meier 1958) by lifelines: months, share without event with 95 % interval."""
    import numpy as np
    from lifelines import KaplanMeierFitter

    fitted = KaplanMeierFitter().fit(time, event)
    ends = fitted.confidence_interval_survival_function_
    median = float(fitted.median_survival_time_)
    return {
        "patients": len(time),
        "events": int(event.sum()),
        "median_months": round(median, 2) if np.isfinite(median) else None,
        "months": [round(float(t), 3) for t in fitted.survival_function_.index],
        "share": [round(float(s), 4) for s in fitted.survival_function_.iloc[:, 0]],
        "low": [round(float(s), 4) for s in ends.iloc[:, 0].fillna(1.0)],
        "high": [round(float(s), 4) for s in ends.iloc[:, 1].fillna(1.0)],
    }


def log_rank(time: np.ndarray, event: np.ndarray, group: np.ndarray) -> float:
    """p value of the log-rank test (Mantel 1966) by lifelines."""
    from lifelines.statistics import logrank_test

    return float(logrank_test(time[group], time[~group], event[group], event[~group]).p_value)


def hazard_ratio(time: np.ndarray, event: np.ndarray, group: np.ndarray) -> dict[str, float] | None:
    """Of predicted responders against the others, Cox's model by lifelines; ``None`` where it has no finite answer."""
    import warnings

    import numpy as np
    import pandas as pd
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError

    if not event[group].any() or not event[~group].any():
        return None
    table = pd.DataFrame({"time": time, "event": event.astype(int), "group": group.astype(float)})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = CoxPHFitter().fit(table, "time", "event")
    except (ConvergenceError, np.linalg.LinAlgError):
        return None
    low, high = np.exp(fitted.confidence_intervals_.to_numpy()[0])
    return Interval(float(np.exp(fitted.params_.iloc[0])), float(low), float(high)).to_json()


def time_dependent_auc(
    time: np.ndarray, event: np.ndarray, score: np.ndarray, months: float
) -> dict[str, float | int] | None:
    """Cumulative/dynamic AUC at ``months``: of a patient with an event by then and one without, the share of pairs in
    which the second scores higher; weighted by the inverse probability of censoring.

    H. Uno et al., JASA 102 (2007) 527; H. Hung and C.-T. Chiang, Canadian Journal of Statistics 38 (2010) 8.
    """

    weights = censoring_weights(time, event, months)
    case, control = event & (time < months), time >= months
    if case.sum() < _FEWEST_EVENTS or control.sum() < _FEWEST_EVENTS:
        return None
    low, high = score[case][:, None], score[control][None, :]
    better = (high > low) + 0.5 * (high == low)
    pairs = weights[case][:, None] * weights[control][None, :]
    return {"auc": round(float((pairs * better).sum() / pairs.sum()), 4), "by_then": int(case.sum())}
