//! RabbitMQ: topology, confirmed publishing, consuming, dispositions and retry.
