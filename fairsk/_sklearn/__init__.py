"""scikit-learn's internals: private names, metadata routing, rows."""
