"""The live widgets: explorer, training panel, quiz and the cards of the lessons."""
