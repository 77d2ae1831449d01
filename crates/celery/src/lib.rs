//! The pure Celery wire format: job messages and results.
