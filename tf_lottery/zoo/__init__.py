"""The paper's networks and data sets, for recipes."""
