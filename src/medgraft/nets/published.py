"""What is published of architectures: their family, and how they did on ImageNet."""

from __future__ import annotations

from dataclasses import dataclass

TORCHVISION = (
    "torchvision, weights IMAGENET1K_V1, acc@1 (docs.pytorch.org/vision/stable/models.html)"
)
TIMM = "timm, results/results-imagenet.csv, inception_v4.tf_in1k (github.com/huggingface/pytorch-image-models)"


@dataclass(frozen=True)
class Published:
    """One architecture.

    Attributes:
        family: Architectures of one design in several sizes.
        top1: Accuracy on the ImageNet validation images, in percent.
        source: Who measured it with which weights.
    """

    family: str
    top1: float
    source: str = TORCHVISION


# One training recipe each, that of the time of the paper which introduced the network: newer
# recipes would rank recipes, not architectures.
PUBLISHED = {
    "densenet121": Published("DenseNet", 74.434),
    "densenet169": Published("DenseNet", 75.600),
    "densenet201": Published("DenseNet", 76.896),
    "resnet18": Published("ResNet", 69.758),
    "resnet34": Published("ResNet", 73.314),
    "resnet50": Published("ResNet", 76.130),
    "resnet101": Published("ResNet", 77.374),
    "inception_v3": Published("Inception", 77.294),
    "inception_v4": Published("Inception", 80.156, TIMM),
    "mnasnet_100": Published("MNASNet", 73.456),
    "efficientnet_b0": Published("EfficientNet", 77.692),
    "efficientnet_b1": Published("EfficientNet", 78.642),
    "efficientnet_b2": Published("EfficientNet", 80.608),
    "efficientnet_b3": Published("EfficientNet", 82.008),
    "mobilenetv2_100": Published("MobileNet", 71.878),
    "mobilenetv3_large_100": Published("MobileNet", 74.042),
    "mobilenetv3_small_100": Published("MobileNet", 67.668),
}
