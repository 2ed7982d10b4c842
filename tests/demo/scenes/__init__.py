"""The scenes, in order.

A scene is a module with TITLE (a line) and play(stage): it starts from a stage where all is well and leaves it so; it
shows what nginx does and what regrelay does, and calls claim() for what the README says."""
from . import cut, errors, far, pull, reload

SCENES = [pull, errors, reload, far, cut]
