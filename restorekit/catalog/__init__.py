"""Memory: points, restores, values, audit."""
