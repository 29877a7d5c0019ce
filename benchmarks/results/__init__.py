"""Tables that `make results` writes into README and docs."""
