"""Linear models of standardised features with a quadratic penalty, along a path of strengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

STEPS = 10_000  # far more than are needed; a solver that stops early would warn

Linear = tuple[np.ndarray, np.ndarray]  # weights (K, D) and biases (K,); K is 1 for two classes
Path = Callable[[np.ndarray, np.ndarray, np.ndarray, Sequence[float]], Iterator[Linear]]


def in_few_dimensions(fit: Path) -> Path:
    """A model that is fitted in the space that its rows span, if they are fewer than the features.

    A quadratic penalty leaves nothing outside that space, and rotation does not change it: the
    result is the same, at the cost of N instead of D dimensions.
    """

    def reduced(
        x: np.ndarray, classes: np.ndarray, weights: np.ndarray, strengths: Sequence[float]
    ) -> Iterator[Linear]:
        if len(x) >= x.shape[1]:
            yield from fit(x, classes, weights, strengths)
            return
        basis, triangle = np.linalg.qr(x.T)  # x = (basis @ triangle).T
        for coefficients, bias in fit(triangle.T, classes, weights, strengths):
            yield coefficients @ basis.T, bias

    return reduced


@in_few_dimensions
def logistic_path(
    x: np.ndarray, classes: np.ndarray, weights: np.ndarray, strengths: Sequence[float]
) -> Iterator[Linear]:
    """Logistic regression of two classes, softmax regression of more.

    Least of C Σ weight · cross-entropy + ‖W‖² / 2; the bias is not penalised.

    Args:
        x: Standardised features, shape (N, D).
        classes: Shape (N,), in [0, K).
        weights: Of the rows, shape (N,).
        strengths: Values of C, ascending: each starts from the one before it.

    Yields:
        Weights and biases for each C; one row, for class 1, if there are two classes.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(solver="lbfgs", tol=1e-7, max_iter=STEPS, warm_start=True)
    for c in strengths:
        model.set_params(C=c).fit(x, classes, weights)
        yield model.coef_.copy(), model.intercept_.copy()


@in_few_dimensions
def svm_path(
    x: np.ndarray, classes: np.ndarray, weights: np.ndarray, strengths: Sequence[float]
) -> Iterator[Linear]:
    """Linear support vector machine, each class against the others if there are more than two.

    Least of C Σ weight · max(0, 1 - margin)² + (‖W‖² + b²) / 2 (Fan et al. 2008, LIBLINEAR), solved
    in the dual where features are no fewer than rows, which a weak penalty makes twenty times
    as fast. Arguments and yields as `logistic_path`.
    """
    from sklearn.svm import LinearSVC

    for c in strengths:
        model = LinearSVC(
            C=c, dual=len(x) <= x.shape[1], tol=1e-7, max_iter=STEPS, random_state=0
        ).fit(x, classes, weights)
        yield model.coef_.copy(), model.intercept_.copy()


PATHS: dict[str, Path] = {"logistic": logistic_path, "svm": svm_path}
STRENGTHS = {  # of C; sums over many standardised features make the useful ones small
    "logistic": tuple(10.0**k for k in range(-5, 2)),
    "svm": tuple(10.0**k for k in range(-6, 0)),
}
