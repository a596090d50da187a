"""The use cases, the ports they need, and the performer that joins the two."""
