"""Cohorts: decisions whose labels arrive late, counted once the labels are there."""
