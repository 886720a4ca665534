-- A receiver's tables in SQLite 3.24 or newer. Run at each opening: the pragmas hold for one connection.
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;

-- Which messages, or parts of messages, have had their effect.
CREATE TABLE IF NOT EXISTS received (
    epoch    TEXT NOT NULL,
    agent    TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    events   INTEGER NOT NULL,
    at       TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX IF NOT EXISTS received_once ON received (epoch, agent, sequence, "offset");

-- The effect, here: each value as a row, and for each tag how many there were. Neither would bear a second time.
CREATE TABLE IF NOT EXISTS measurements (
    tag     TEXT NOT NULL,
    time    INTEGER NOT NULL,
    value   TEXT,
    is_good INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS totals (
    tag    TEXT PRIMARY KEY,
    events INTEGER NOT NULL
);
