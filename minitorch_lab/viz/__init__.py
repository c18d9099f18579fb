"""Pictures of graphs: data, layout, SVG, DOT and words."""

from __future__ import annotations
