"""Are generated images any good? Numbers from features: one file per measure, no networks."""
