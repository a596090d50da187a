"""customary: one sealed customer record that speaks two payment vendors' customer APIs."""

__version__ = "0.1.0"
