"""Layers that prepare data: numbers, text, categories, images, sound."""
