"""What customers, programs and providers open without an account."""
