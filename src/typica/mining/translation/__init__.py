"""Pictures carried over to other labels, and what is read from them (section 4.5.1)."""
