"""Redis: the queue and its worker, the throttle, the cached status for polls. Losing all of it costs seconds."""
