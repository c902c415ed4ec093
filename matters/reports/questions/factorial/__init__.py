"""Which tricks matter, alone and together: a factorial design, its effects, their figures."""
