"""Documents of sections: self-contained pages and Markdown.

They know nothing of what they show: sections, tables and charts are data (``fairsk._core.sections``).
"""
