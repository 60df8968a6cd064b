"""Ask for the labels that teach most: score, simulate, and run a campaign of labelling."""
