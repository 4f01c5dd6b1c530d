"""The page of many monitors, as sections."""
