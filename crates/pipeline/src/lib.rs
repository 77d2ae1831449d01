//! What a job does: the spine of a sync, one file per step, and the report.
