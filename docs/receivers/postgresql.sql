-- A receiver's tables in PostgreSQL 9.5 or newer.

-- Which messages, or parts of messages, have had their effect.
CREATE TABLE IF NOT EXISTS received (
    epoch    text NOT NULL,
    agent    text NOT NULL,
    sequence bigint NOT NULL,
    "offset" integer NOT NULL,
    events   integer NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS received_once ON received (epoch, agent, sequence, "offset");

-- The effect, here: each value as a row, and for each tag how many there were. Neither would bear a second time.
CREATE TABLE IF NOT EXISTS measurements (
    tag     text NOT NULL,
    time    bigint NOT NULL,
    value   text,
    is_good integer NOT NULL
);
CREATE TABLE IF NOT EXISTS totals (
    tag    text PRIMARY KEY,
    events bigint NOT NULL
);
