"""Words, figures and paper: how a page looks. No statistics."""
