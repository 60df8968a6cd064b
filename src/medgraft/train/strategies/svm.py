"""A linear support vector machine on the features of frozen stages."""

from __future__ import annotations

from typing import ClassVar, Literal

from medgraft.train.strategies import FittedHead, strategy


@strategy("svm")
class Svm(FittedHead):
    """Fit a support vector machine to what a stage makes of the images, such as ``svm:layer3``.

    The network ends after that stage and nothing before the head learns. The machine is linear
    with a squared hinge loss, each class against the others; Platt scaling of its values on
    left-out images makes them probabilities, which takes at least two patients of every class.
    """

    model: ClassVar[Literal["logistic", "svm"]] = "svm"
