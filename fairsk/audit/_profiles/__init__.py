"""Profiles: named and dated calculations that a rule or a practice asks for, as tables made from evidence.

``profile`` has their form and the list of those built in; each other module holds one. None judges whether a
use is lawful.
"""
