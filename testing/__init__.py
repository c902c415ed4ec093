"""What only developers need: planted answers, measurements, looks at pages. Not shipped."""
