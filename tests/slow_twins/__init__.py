"""The obvious implementation of what the package does fast: oracles of tests, rivals of benchmarks."""
