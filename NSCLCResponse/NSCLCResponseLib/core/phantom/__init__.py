"""The simulated patient."""
