"""Layers that bring images into shape and vary them: one file a family."""
