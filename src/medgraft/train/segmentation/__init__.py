"""Learning masks: what a run of the task "segmentation" does differently from one of labels."""
