"""The pure core: what a customer, a credential and an event are, with no I/O, clock or randomness."""
