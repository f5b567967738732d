"""Pages and endpoints for customers, programs and providers, without an account."""
