//! Redis, single or Cluster: snapshots in the legacy layout and Celery results.
