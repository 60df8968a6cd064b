"""Generative models of images, and what their samples are worth."""
