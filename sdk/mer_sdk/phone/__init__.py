"""The phone check: a bundle's page on the local network, and what is made of the report that a phone sends back."""
