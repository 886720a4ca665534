/* Rows into an outbox's table, written plainly in C over sqlite3.
 *
 *   outbox-append FILE ROWS ROWS-A-TRANSACTION BYTES
 *
 * Makes FILE, which must not be there, with the settings of OutboxDatabase.swift and the table of OutboxTable.swift, and
 * prints rate= (rows a second), commits= and processor= (seconds).
 */
#define _GNU_SOURCE
#include "message.h"
#include <sqlite3.h>
#include <stdio.h>

static sqlite3 *database;

static void need(int code)
{
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) return;
    fprintf(stderr, "outbox-append: %s\n", sqlite3_errmsg(database));
    exit(1);
}

static void perform(const char *sql) { need(sqlite3_exec(database, sql, NULL, NULL, NULL)); }

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: outbox-append FILE ROWS ROWS-A-TRANSACTION BYTES\n");
        return 2;
    }
    long rows = atol(argv[2]), group = atol(argv[3]);
    size_t bytes = (size_t)atol(argv[4]);
    if (rows < 1 || group < 1) return 2;
    need(sqlite3_open(argv[1], &database));
    perform("PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; VACUUM; PRAGMA journal_mode = WAL;"
            "PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON; PRAGMA wal_autocheckpoint = 4096;"
            "PRAGMA journal_size_limit = 67108864");
    perform("CREATE TABLE messages_1 (row INTEGER PRIMARY KEY, lane INTEGER NOT NULL, first INTEGER NOT NULL,"
            "epoch INTEGER, sequence INTEGER,"
            "offset INTEGER NOT NULL, again INTEGER NOT NULL, events INTEGER NOT NULL,"
            "all_messages INTEGER NOT NULL, all_events INTEGER NOT NULL, all_bytes INTEGER NOT NULL,"
            "time INTEGER NOT NULL, age INTEGER NOT NULL,"
            "topic TEXT, parts TEXT, trims TEXT, head BLOB NOT NULL, tail BLOB NOT NULL, bytes BLOB NOT NULL) STRICT");
    sqlite3_stmt *insert;
    need(sqlite3_prepare_v3(
        database,
        "INSERT INTO messages_1 (row, lane, first, epoch, sequence, offset, again, events, all_messages, all_events,"
        "all_bytes, time, age, topic, parts, trims, head, tail, bytes)"
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        -1, SQLITE_PREPARE_PERSISTENT, &insert, NULL));
    char *message = make_message(&bytes);
    const char *body = message + sizeof MESSAGE_HEAD - 1;
    int body_bytes = (int)(bytes - (sizeof MESSAGE_HEAD - 1) - (sizeof MESSAGE_TAIL - 1));
    long commits = 0;
    double begin = seconds_of(CLOCK_MONOTONIC), processor = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    for (long row = 1; row <= rows;) {
        perform("BEGIN IMMEDIATE");
        for (long last = row + group; row < last && row <= rows; row++) {
            number_message(message, row - 1);
            sqlite3_bind_int64(insert, 1, row);
            sqlite3_bind_int64(insert, 2, 0);
            sqlite3_bind_int64(insert, 3, row);
            sqlite3_bind_int64(insert, 4, 1);
            sqlite3_bind_int64(insert, 5, row);
            sqlite3_bind_int64(insert, 6, 0);
            sqlite3_bind_int64(insert, 7, 0);
            sqlite3_bind_int64(insert, 8, 1);
            sqlite3_bind_int64(insert, 9, row);
            sqlite3_bind_int64(insert, 10, row);
            sqlite3_bind_int64(insert, 11, row * (long)(bytes + 74));
            sqlite3_bind_int64(insert, 12, 1600000000000);
            sqlite3_bind_int64(insert, 13, 0);
            sqlite3_bind_text(insert, 14, "iotgateway", -1, SQLITE_STATIC);
            sqlite3_bind_null(insert, 15);
            sqlite3_bind_null(insert, 16);
            sqlite3_bind_blob(insert, 17, MESSAGE_HEAD, sizeof MESSAGE_HEAD - 1, SQLITE_STATIC);
            sqlite3_bind_blob(insert, 18, MESSAGE_TAIL, sizeof MESSAGE_TAIL - 1, SQLITE_STATIC);
            sqlite3_bind_blob(insert, 19, body, body_bytes, SQLITE_STATIC);
            need(sqlite3_step(insert));
            need(sqlite3_reset(insert));
        }
        perform("COMMIT");
        commits++;
    }
    double seconds = seconds_of(CLOCK_MONOTONIC) - begin;
    processor = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - processor;
    printf("rate=%.1f commits=%ld processor=%.3f\n", rows / seconds, commits, processor);
    sqlite3_finalize(insert);
    sqlite3_close(database);
    return 0;
}
