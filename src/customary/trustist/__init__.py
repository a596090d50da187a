"""The Trustist dialect (UK, Customer Management API): bytes to domain and back, and how it says no."""
