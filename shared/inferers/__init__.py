"""How to predict."""
