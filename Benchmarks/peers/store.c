/* The tag store's work written plainly in C: a batch of updates is compared with the current values, stored, and handed
 * to three subscribers, of which one keeps the latest update of each tag and two keep every one.
 *
 *   store SECONDS       prints updates a second
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { tags = 10000, batch_size = 1000, batches = tags / batch_size, subscribers = 3 };

struct value {
    int64_t data;
    uint8_t type;
    uint8_t quality;
    int64_t time;
};

struct update {
    uint32_t tag;
    struct value value;
};

struct mailbox {
    pthread_mutex_t lock;
    int keeps_latest;
    int32_t *slots;
    int32_t *position;
    struct update *updates;
    size_t count, room;
    /* What the subscriber gave back at its last visit. */
    struct update *spare;
    size_t spare_room;
};

static struct value values[tags];
static struct mailbox mailboxes[subscribers];

static void append(struct mailbox *box, uint32_t slot, const struct value *value)
{
    if (box->count == box->room) {
        box->room = box->room ? box->room * 2 : 4096;
        box->updates = realloc(box->updates, box->room * sizeof *box->updates);
        if (!box->updates) abort();
    }
    box->updates[box->count].tag = slot;
    box->updates[box->count].value = *value;
    box->count++;
}

static void fill(struct mailbox *box, const struct update *batch, size_t count)
{
    pthread_mutex_lock(&box->lock);
    for (size_t i = 0; i < count; i++) {
        int32_t slot = box->slots[batch[i].tag];
        if (slot < 0) continue;
        if (!box->keeps_latest) {
            append(box, slot, &batch[i].value);
        } else if (box->position[slot] >= 0) {
            box->updates[box->position[slot]].value = batch[i].value;
        } else {
            box->position[slot] = box->count;
            append(box, slot, &batch[i].value);
        }
    }
    pthread_mutex_unlock(&box->lock);
}

static void apply(const struct update *batch, struct update *changed)
{
    size_t count = 0;
    for (size_t i = 0; i < batch_size; i++) {
        struct value *value = &values[batch[i].tag];
        if (value->data == batch[i].value.data && value->type == batch[i].value.type &&
            value->quality == batch[i].value.quality) {
            value->time = batch[i].value.time;
        } else {
            *value = batch[i].value;
            changed[count++] = batch[i];
        }
    }
    for (size_t i = 0; i < subscribers; i++) fill(&mailboxes[i], changed, count);
}

/* Takes everything, as a subscriber does. */
static size_t take(struct mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    struct update *updates = box->updates;
    size_t count = box->count;
    if (box->keeps_latest)
        for (size_t i = 0; i < count; i++) box->position[updates[i].tag] = -1;
    size_t room = box->room;
    box->updates = box->spare;
    box->room = box->spare_room;
    box->spare = updates;
    box->spare_room = room;
    box->count = 0;
    pthread_mutex_unlock(&box->lock);
    return count;
}

/* Processor time: on a busy machine too what one core does in a second. */
static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    for (int i = 0; i < subscribers; i++) {
        struct mailbox *box = &mailboxes[i];
        pthread_mutex_init(&box->lock, NULL);
        box->keeps_latest = i == 0;
        box->slots = malloc(tags * sizeof *box->slots);
        box->position = malloc(tags * sizeof *box->position);
        for (int tag = 0; tag < tags; tag++) {
            box->slots[tag] = tag;
            box->position[tag] = -1;
        }
    }
    /* Two rounds of batches, so that every update is a change. */
    struct update *sets = malloc(2 * tags * sizeof *sets), *changed = malloc(batch_size * sizeof *changed);
    for (int i = 0; i < 2 * tags; i++)
        sets[i] = (struct update){i % tags, {i, i % 2 ? 2 : 5, 0, 1600000000000000 + i}};
    uint64_t updates = 0, taken = 0;
    double begin = now(), end = begin;
    while (end - begin < seconds) {
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < batches; i++) apply(sets + round * tags + i * batch_size, changed);
            for (int i = 0; i < subscribers; i++) taken += take(&mailboxes[i]);
            updates += tags;
        }
        end = now();
    }
    if (taken != updates * subscribers) return 1;
    printf("%.0f\n", updates / (end - begin));
    return 0;
}
