"""`mer data` and `mer label`: one's own clips before they are used."""
