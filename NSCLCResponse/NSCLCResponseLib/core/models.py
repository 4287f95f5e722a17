"""Fitted models as plain arrays: what a signature stores instead of scikit-learn's trees and support vectors.

scikit-learn keeps trees and support vectors in C structures that are rebuilt from a file unchecked; a forged file could
make it read beyond its memory. The classes here hold numpy arrays only, check them before use, and give the same values
as the models they were made from. Only functions import this module, since it needs scikit-learn.

All take standardised features (patients, features) and have ``decision_function`` → (patients,) logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin

from NSCLCResponseSegmentLib.core.errors import SignatureError

_FEWEST = 0.02  # no forest is surer than this of either outcome, which keeps its logits finite
_BROKEN = "Do not use this signature; get it again from its author."


class _Frozen(BaseEstimator):
    """What scikit-learn's pipelines ask of a step that has nothing left to learn."""

    def fit(self, x: np.ndarray, y: np.ndarray | None = None) -> _Frozen:
        """Nothing to learn."""
        del x, y
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True


class Pick(TransformerMixin, _Frozen):
    """Keeps some columns; the frozen result of a selector.

    :param support_: (features,) of bool.
    """

    def __init__(self) -> None:
        self.support_ = np.zeros(0, dtype=bool)

    @classmethod
    def of(cls, columns: Sequence[int], count: int) -> Pick:
        """Keep ``columns`` of ``count``."""
        made = cls()
        made.support_ = np.isin(np.arange(count), columns)
        return made

    def get_support(self) -> np.ndarray:
        """(features,) of bool."""
        return self.support_

    def transform(self, x: np.ndarray) -> np.ndarray:
        """(patients, kept)."""
        return np.asarray(x)[:, self.support_]


class Projection(TransformerMixin, _Frozen):
    """Principal components of the features: components · features − offset."""

    def __init__(self) -> None:
        self.components = np.zeros((0, 0))
        self.offset = np.zeros(0)

    @classmethod
    def of(cls, components: np.ndarray, mean: np.ndarray) -> Projection:
        """From (components, features) and the (features,) mean of the training set."""
        made = cls()
        made.components = np.asarray(components, dtype=float)
        made.offset = made.components @ np.asarray(mean, dtype=float)
        return made

    def transform(self, x: np.ndarray) -> np.ndarray:
        """(patients, components)."""
        return np.asarray(x) @ self.components.T - self.offset


class Linear(ClassifierMixin, _Frozen):
    """A linear model with the attributes of scikit-learn's, so that its contributions can be read off."""

    def __init__(self) -> None:
        self.coef_ = np.zeros((1, 0))
        self.intercept_ = np.zeros(1)
        self.classes_ = np.array([0, 1])

    @classmethod
    def of(cls, coefficients: np.ndarray, intercept: float) -> Linear:
        """From (features,) coefficients."""
        made = cls()
        made.coef_ = np.asarray(coefficients, dtype=float)[None, :]
        made.intercept_ = np.array([float(intercept)])
        return made

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        """(patients,) logits."""
        return np.asarray(x) @ self.coef_[0] + self.intercept_[0]


class TreeEnsemble(ClassifierMixin, _Frozen):
    """Binary trees, all in one set of arrays; a node's children come after it, leaves are their own child.

    :param kind: ``mean`` (a random forest: mean of the leaves' probabilities, then its logit) or ``sum`` (boosting:
        ``base`` plus the leaves).
    """

    def __init__(self) -> None:
        self.kind = "sum"
        self.base = 0.0
        self.single = False  # whether features are compared in single precision, as random forests do
        self.classes_ = np.array([0, 1])
        self.roots = np.zeros(0, dtype=np.int64)
        self.feature = np.zeros(0, dtype=np.int64)
        self.threshold = np.zeros(0)
        self.left = np.zeros(0, dtype=np.int64)
        self.right = np.zeros(0, dtype=np.int64)
        self.value = np.zeros(0)

    @classmethod
    def of(cls, trees: Sequence[tuple[np.ndarray, ...]], kind: str, base: float = 0.0, *, single: bool) -> TreeEnsemble:
        """From trees as (feature, threshold, left, right, value) arrays, children numbered within the tree."""
        made = cls()
        sizes = np.array([len(tree[0]) for tree in trees], dtype=np.int64)
        made.kind, made.base, made.single = kind, float(base), single
        made.roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        start = np.repeat(made.roots, sizes)
        feature, threshold, left, right, value = (np.concatenate(arrays) for arrays in zip(*trees, strict=True))
        made.feature, made.threshold = feature.astype(np.int64), threshold.astype(float)
        made.left, made.right = left.astype(np.int64) + start, right.astype(np.int64) + start
        made.value = value.astype(float)
        return made

    def check(self, columns: int) -> None:
        """Refuse arrays that do not describe trees.

        :raises SignatureError: a child comes before its parent, or an index leads outside.
        """
        count = len(self.feature)
        own = np.arange(count)
        arrays = (self.threshold, self.left, self.right, self.value)
        fits = len(self.roots) > 0 and all(a.shape == (count,) for a in arrays) and self.kind in ("mean", "sum")
        fits = fits and self.roots.min() >= 0 and self.roots.max() < count
        is_leaf = (self.left == own) & (self.right == own) if fits else own
        for child in (self.left, self.right) if fits else ():
            fits = fits and bool(np.all(is_leaf | (child > own))) and child.max() < count
        if not fits or self.feature.min() < 0 or self.feature.max() >= columns:
            raise SignatureError("A model of the signature is no valid set of trees.", _BROKEN)

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        """(patients,) logits."""
        x = np.asarray(x, dtype=float)
        self.check(x.shape[1])
        if self.single:
            x = x.astype(np.float32)
        total = np.zeros(len(x))
        for start in range(0, len(x), 4096):
            rows = np.arange(start, min(start + 4096, len(x)))[:, None]
            node = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
            while True:
                goes_left = x[rows, self.feature[node]] <= self.threshold[node]
                following = np.where(goes_left, self.left[node], self.right[node])
                if np.array_equal(following, node):
                    break
                node = following
            total[rows[:, 0]] = self.value[node].sum(axis=1)
        if self.kind == "sum":
            return total + self.base
        probability = np.clip(total / len(self.roots), _FEWEST, 1 - _FEWEST)
        return np.log(probability / (1 - probability))


class KernelMachine(ClassifierMixin, _Frozen):
    """A support vector machine with a Gaussian kernel: Σ weight × exp(−gamma |x − vector|²) + offset."""

    def __init__(self) -> None:
        self.classes_ = np.array([0, 1])
        self.vectors = np.zeros((0, 0))
        self.weights = np.zeros(0)
        self.gamma = 1.0
        self.offset = 0.0

    @classmethod
    def of(cls, machine: Any, gamma: float, slope: float, offset: float) -> KernelMachine:
        """From a fitted ``SVC`` and Platt's slope and offset of its decision values."""
        made = cls()
        made.vectors = np.array(machine.support_vectors_, dtype=float)
        made.weights = slope * np.asarray(machine.dual_coef_[0], dtype=float)
        made.gamma = float(gamma)
        made.offset = float(slope * machine.intercept_[0] + offset)
        return made

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        """(patients,) logits."""
        x = np.asarray(x, dtype=float)
        if self.vectors.ndim != 2 or self.vectors.shape[1] != x.shape[1] or len(self.weights) != len(self.vectors):
            raise SignatureError("A model of the signature is no valid support vector machine.", _BROKEN)
        found = np.full(len(x), self.offset)
        for start in range(0, len(x), 1024):
            part = x[start : start + 1024]
            squares = (part**2).sum(axis=1)[:, None] + (self.vectors**2).sum(axis=1) - 2 * part @ self.vectors.T
            found[start : start + 1024] += np.exp(-self.gamma * np.maximum(squares, 0.0)) @ self.weights
        return found


class Stack(ClassifierMixin, _Frozen):
    """Several models on the same features, their logits weighted into one."""

    def __init__(self) -> None:
        self.classes_ = np.array([0, 1])
        self.members: list[Any] = []
        self.weights = np.zeros(0)
        self.intercept = 0.0

    @classmethod
    def of(cls, members: Sequence[Any], weights: np.ndarray, intercept: float) -> Stack:
        """From fitted members, of the classes above."""
        made = cls()
        made.members, made.weights, made.intercept = list(members), np.asarray(weights, dtype=float), float(intercept)
        return made

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        """(patients,) logits."""
        known = (Linear, TreeEnsemble, KernelMachine)
        if len(self.weights) != len(self.members) or not all(isinstance(m, known) for m in self.members):
            raise SignatureError("A model of the signature is no valid stack.", _BROKEN)
        total = np.full(len(x), self.intercept)
        for member, weight in zip(self.members, self.weights, strict=True):
            total += weight * member.decision_function(x)
        return total


def freeze_forest(forest: Any) -> TreeEnsemble:
    """A fitted ``RandomForestClassifier`` of two classes."""
    return TreeEnsemble.of([_sklearn_tree(t.tree_, probability=True) for t in forest.estimators_], "mean", single=True)


def freeze_regression_trees(trees: Sequence[Any], scale: float) -> TreeEnsemble:
    """Fitted ``DecisionTreeRegressor`` whose leaves are multiplied with ``scale`` and added."""
    arrays = [_sklearn_tree(t.tree_, probability=False) for t in trees]
    return TreeEnsemble.of([(*a[:4], a[4] * scale) for a in arrays], "sum", single=True)


def _sklearn_tree(tree: Any, *, probability: bool) -> tuple[np.ndarray, ...]:
    own = np.arange(tree.node_count)
    leaf = tree.children_left < 0
    value = tree.value[:, 0, :]
    value = value[:, 1] / value.sum(axis=1) if probability else value[:, 0]
    left, right = np.where(leaf, own, tree.children_left), np.where(leaf, own, tree.children_right)
    return np.maximum(tree.feature, 0), tree.threshold, left, right, value


def freeze_boosting(boosting: Any) -> TreeEnsemble:
    """A fitted ``HistGradientBoostingClassifier`` of two classes on features without missing values."""
    trees = []
    for (predictor,) in boosting._predictors:
        nodes = predictor.nodes
        own = np.arange(len(nodes))
        leaf = nodes["is_leaf"].astype(bool)
        threshold = np.where(leaf, 0.0, nodes["num_threshold"])
        left, right = (np.where(leaf, own, nodes[side].astype(np.int64)) for side in ("left", "right"))
        feature = np.where(leaf, 0, nodes["feature_idx"])
        trees.append((feature, threshold, left, right, nodes["value"]))
    base = float(np.ravel(boosting._baseline_prediction)[0])
    if not trees:
        trees = [(np.zeros(1, int), np.zeros(1), np.zeros(1, int), np.zeros(1, int), np.zeros(1))]
    return TreeEnsemble.of(trees, "sum", base, single=False)
