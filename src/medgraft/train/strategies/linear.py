"""Softmax regression on the features of frozen stages."""

from __future__ import annotations

from typing import ClassVar, Literal

from medgraft.train.strategies import FittedHead, strategy


@strategy("linear")
class Linear(FittedHead):
    """Fit a linear head to what a stage makes of the images, such as ``linear:layer3``.

    The network ends after that stage, nothing before the head learns, and the head is solved to
    its optimum: softmax regression (sigmoids for independent labels) of the averaged maps with
    a quadratic penalty. There are no epochs; `views` is how augmentation comes in.
    """

    model: ClassVar[Literal["logistic", "svm"]] = "logistic"
