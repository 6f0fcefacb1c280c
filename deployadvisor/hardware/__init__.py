"""What the machine has: values, phrases and probes."""
