"""What is to be run: specs, suites, environments and probes. Nothing here knows how it is run."""
