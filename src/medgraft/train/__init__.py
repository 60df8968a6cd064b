"""One loop, many objectives; and the main job, which leaves a run folder."""
