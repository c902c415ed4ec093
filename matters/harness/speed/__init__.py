"""How fast training is, beside the references and beside the machine's own limit."""
