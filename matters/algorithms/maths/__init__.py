"""Pure maths of the learning rules: tensors and keyword scalars in, tensors out."""
