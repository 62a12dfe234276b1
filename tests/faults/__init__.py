"""What takes long or processes of its own: whole jobs that are killed, fuzzing by coverage."""
