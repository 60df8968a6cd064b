"""Learn from images without labels: distort them, and restore what they were."""
