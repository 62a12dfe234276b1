"""Palaeography: compare hands and scripts by aligned prototypes (section 3.5)."""
