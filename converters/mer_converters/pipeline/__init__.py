"""What happens to every target: plan, export, gate, golden cases, bundle files."""
