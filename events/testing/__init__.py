"""The shipped test kit. Production code never imports it."""
