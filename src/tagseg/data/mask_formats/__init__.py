"""Masks in the files of annotation tools: one reader a tool, each returns what it found by names of photographs."""
