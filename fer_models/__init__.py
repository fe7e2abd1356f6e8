"""The learning problem on one machine: photos, features, heads, training, metrics. Knows no federation."""
