//! Process scaffolding: settings, logging and signals.
