"""Text-line collections: readers, text, checking, batches and rendered lines."""
