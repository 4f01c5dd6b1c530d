"""Exact solvers of the threshold problem; they know neither rows nor scores."""
