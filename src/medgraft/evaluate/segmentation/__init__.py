"""Judge predicted masks: overlap, distances between surfaces, intervals by patient."""

from medgraft.evaluate.segmentation.evaluation import evaluate_segmentation, paired_segmentation
from medgraft.evaluate.segmentation.image import image_table, judge_image
from medgraft.evaluate.segmentation.measures.dice import dice
from medgraft.evaluate.segmentation.measures.hd95 import hd95
from medgraft.evaluate.segmentation.measures.iou import iou
from medgraft.evaluate.segmentation.measures.iou_over_thresholds import iou_over_thresholds
from medgraft.evaluate.segmentation.measures.surface_dice import surface_dice
from medgraft.evaluate.segmentation.measures.surface_distance import surface_distance
from medgraft.evaluate.segmentation.measures.volume_difference import volume_difference

__all__ = [
    "dice",
    "evaluate_segmentation",
    "hd95",
    "image_table",
    "iou",
    "iou_over_thresholds",
    "judge_image",
    "paired_segmentation",
    "surface_dice",
    "surface_distance",
    "volume_difference",
]
