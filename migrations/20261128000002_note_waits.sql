-- Where jobs are that neither run nor have ended: RabbitMQ cannot be asked what is in a queue without taking it out.
CREATE TABLE IF NOT EXISTS tradingdb.waiting_jobs (
    job_id text NOT NULL,
    organization_id text NOT NULL,
    pseudo_account text NOT NULL,
    queue text NOT NULL,
    state text NOT NULL CONSTRAINT waiting_jobs_state_known CHECK (state IN ('queued', 'retry', 'parked')),
    reason text,
    error text,
    retries integer NOT NULL DEFAULT 0,
    retries_max integer,
    due_at timestamp with time zone,
    worker text NOT NULL,
    noted_at timestamp with time zone NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, organization_id, pseudo_account)
);
CREATE INDEX IF NOT EXISTS waiting_jobs_account_idx
    ON tradingdb.waiting_jobs (pseudo_account, organization_id, noted_at DESC);
CREATE INDEX IF NOT EXISTS waiting_jobs_noted_idx ON tradingdb.waiting_jobs (noted_at);
COMMENT ON TABLE tradingdb.waiting_jobs IS 'What was last noted of a job that waits, for people who look; nothing depends on it. What ended or runs since is no longer there';
COMMENT ON COLUMN tradingdb.waiting_jobs.reason IS 'Of parked ones: held, early, crashed, rate_limit, suspect, returned. Of queued ones: enqueued, replayed';
COMMENT ON COLUMN tradingdb.waiting_jobs.worker IS 'Who noted it';

-- What a tick's jobs are worth, and when each is due: whoever looks later does not know the settings of the beat.
ALTER TABLE tradingdb.ticks ADD COLUMN IF NOT EXISTS interval_seconds numeric;
ALTER TABLE tradingdb.ticks ADD COLUMN IF NOT EXISTS spread_seconds numeric;
COMMENT ON COLUMN tradingdb.ticks.interval_seconds IS 'SYNC_INTERVAL_SECONDS of the beat that claimed it: how long its jobs are worth running';
COMMENT ON COLUMN tradingdb.ticks.spread_seconds IS 'BEAT_SPREAD_SECONDS of that beat';
