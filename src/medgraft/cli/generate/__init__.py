"""Generative models: train one, and draw samples that can never be judged on."""
