"""The Trustly dialect (North America, Customers API): bytes to domain and back, and how it says no."""
