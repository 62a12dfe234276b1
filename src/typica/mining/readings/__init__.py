"""Further readings of a mining run: contrast, confusions, time, search, filters."""
