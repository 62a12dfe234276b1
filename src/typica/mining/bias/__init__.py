"""What a model's samples show more or less often than its pictures do (section 4.5.2)."""
