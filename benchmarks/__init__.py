"""Measurements that README and docs quote."""
