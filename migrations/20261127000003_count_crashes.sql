-- Jobs whose worker died while it ran them: RabbitMQ's own count rises for innocents too.
CREATE TABLE IF NOT EXISTS tradingdb.job_crashes (
    job_id text NOT NULL,
    organization_id text NOT NULL,
    pseudo_account text NOT NULL,
    fence bigint NOT NULL,
    worker text,
    at timestamp with time zone NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, organization_id, pseudo_account, fence)
);
CREATE INDEX IF NOT EXISTS job_crashes_at_idx ON tradingdb.job_crashes (at);
COMMENT ON TABLE tradingdb.job_crashes IS 'One row for each run that nobody ended; a worker that lives after all takes its row back';
COMMENT ON COLUMN tradingdb.job_crashes.fence IS 'Of the run';
