"""The systems that the instruments are compared with, on our own modules."""
