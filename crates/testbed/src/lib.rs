//! Private RabbitMQ, PostgreSQL and Redis servers from the machine's own programs, for tests and demos.
