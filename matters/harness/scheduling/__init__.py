"""Which runs train where and when, and within which memory."""
