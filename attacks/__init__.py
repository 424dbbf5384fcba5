"""Attacks: methods that train an adversary against a frozen victim. One method, one file."""
