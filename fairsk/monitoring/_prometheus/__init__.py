"""What Prometheus reads: the text, and which batches it may show."""
