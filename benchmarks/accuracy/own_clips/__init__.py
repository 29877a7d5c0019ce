"""What `mer adapt` makes of one person's clips."""
