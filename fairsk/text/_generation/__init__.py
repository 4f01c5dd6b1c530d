"""What a language model writes of groups: texts judged, and compared within the prompts."""
