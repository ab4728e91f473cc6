"""Runs: folders in which a recipe is trained, paused, resumed, and opened again."""
