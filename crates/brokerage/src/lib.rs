//! HTTP clients of trading brokers behind one trait.
