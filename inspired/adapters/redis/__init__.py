"""Redis: the queue and its worker, the throttle, what polls read. Losing all of it costs seconds."""
