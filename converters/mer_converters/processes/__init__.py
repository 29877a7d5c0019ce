"""A process for each target, and what it tells of how far it is. The processes themselves are those of every command,
`mer_sdk.jobs`."""
