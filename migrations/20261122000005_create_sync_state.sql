-- What the fleet knows about each account and each tick. All instants are PostgreSQL's clock.
CREATE TABLE IF NOT EXISTS tradingdb.account_sync_state (
    organization_id text NOT NULL,
    pseudo_account text NOT NULL,
    paused boolean NOT NULL DEFAULT false,
    fence bigint NOT NULL DEFAULT 0,
    lease_job text,
    lease_worker text,
    lease_started_at timestamp with time zone,
    lease_expires_at timestamp with time zone,
    last_sync_id text,
    last_started_at timestamp with time zone,
    last_sync_at timestamp with time zone,
    last_status text,
    last_forced boolean NOT NULL DEFAULT false,
    last_checked_external boolean NOT NULL DEFAULT false,
    last_external_check_at timestamp with time zone,
    last_generation_at timestamp with time zone,
    generation_digest text,
    discrepancies jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (organization_id, pseudo_account),
    CONSTRAINT account_sync_state_lease_whole CHECK ((lease_job IS NULL) = (lease_expires_at IS NULL))
);
COMMENT ON COLUMN tradingdb.account_sync_state.fence IS 'Grows with each lease; the sequence of notifications. A writer whose fence is not this one lost its lease';
COMMENT ON COLUMN tradingdb.account_sync_state.generation_digest IS 'What the stored positions and holdings were generated from; another digest makes a generation due';
COMMENT ON COLUMN tradingdb.account_sync_state.last_started_at IS 'Start of the last finished run: jobs enqueued before it may be superseded';

CREATE TABLE IF NOT EXISTS tradingdb.sync_outcomes (
    sync_id text NOT NULL,
    organization_id text NOT NULL,
    pseudo_account text NOT NULL,
    status text NOT NULL CONSTRAINT sync_outcomes_status_known
        CHECK (status IN ('success', 'partial_success', 'failed', 'expired')),
    reason text,
    superseded_by text,
    worker text NOT NULL,
    retries integer NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone NOT NULL DEFAULT now(),
    report jsonb,
    PRIMARY KEY (sync_id, organization_id, pseudo_account)
);
CREATE INDEX IF NOT EXISTS sync_outcomes_account_idx
    ON tradingdb.sync_outcomes (pseudo_account, organization_id, finished_at DESC);
CREATE INDEX IF NOT EXISTS sync_outcomes_finished_idx ON tradingdb.sync_outcomes (finished_at);
COMMENT ON TABLE tradingdb.sync_outcomes IS 'How each job ended, written last; a job with a row here is done and is never run again';

CREATE TABLE IF NOT EXISTS tradingdb.ticks (
    schedule text NOT NULL,
    tick_at timestamp with time zone NOT NULL,
    claimed_by text NOT NULL,
    claimed_until timestamp with time zone NOT NULL,
    published_at timestamp with time zone,
    accounts integer,
    PRIMARY KEY (schedule, tick_at)
);
COMMENT ON TABLE tradingdb.ticks IS 'One row per firing of a schedule; whoever inserts it, or finds it unpublished after claimed_until, publishes it';

CREATE TABLE IF NOT EXISTS tradingdb.brokerage_accounts (
    organization_id text NOT NULL,
    pseudo_account text NOT NULL,
    kind text NOT NULL CONSTRAINT brokerage_accounts_kind_known CHECK (kind IN ('kite')),
    base_url text NOT NULL,
    api_key_ref text NOT NULL,
    access_token_ref text NOT NULL,
    PRIMARY KEY (organization_id, pseudo_account)
);
COMMENT ON COLUMN tradingdb.brokerage_accounts.api_key_ref IS 'env:NAME or file:PATH, never the secret itself';
COMMENT ON COLUMN tradingdb.brokerage_accounts.access_token_ref IS 'env:NAME or file:PATH, never the secret itself';
