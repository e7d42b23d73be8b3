"""A FastStream broker held open by `Lifespan`: both read and write the same topics, in one process."""
