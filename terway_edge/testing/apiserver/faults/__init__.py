"""What goes wrong on purpose: a script of faults, which of them fire, what they do to answers and to watches."""
