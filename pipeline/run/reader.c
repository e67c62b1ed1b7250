#include "pipeline/run/reader.h"

#include "pipeline/util/log.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

enum state {
    STATE_IDLE,   /* nothing to load */
    STATE_WANTED, /* the thread should load, or is loading, the batch ahead */
    STATE_READY,  /* that batch is loaded */
    STATE_END     /* the thread should end */
};

struct reader {
    const struct preprocessing *preprocessing; /* borrowed */
    struct dataset *dataset;
    struct image image;
    struct image_scratch scratch;
    size_t capacity;
    struct reader_batch batches[2]; /* the one in use and the one ahead; their images are owned */
    size_t ahead;                   /* index of the batch ahead */
    double seconds;
    bool threaded;
    pthread_t thread;
    pthread_mutex_t mutex; /* of `state`, and of everything above while it is STATE_WANTED */
    pthread_cond_t changed;
    enum state state;
};

/* ---- loading --------------------------------------------------------------------------------------------------- */

static void load_image(struct reader_image *out, float *input, struct reader *r, size_t index)
{
    const struct preprocessing *p = r->preprocessing;

    out->why = (struct error){0};
    out->rc = dataset_read(&r->image, r->dataset, index, p->channels, &out->why);
    if (out->rc == OK)
        out->rc = image_preprocess(input, &r->scratch, &r->image, p, &out->why);
}

static void load(struct reader *r)
{
    const struct reader_batch *b = &r->batches[r->ahead];
    size_t floats = r->preprocessing->channels * r->preprocessing->height * r->preprocessing->width;
    double start = log_seconds();

    for (size_t i = 0; i < b->end - b->first; i++)
        load_image(&b->images[i], b->inputs + i * floats, r, b->first + i);
    r->seconds += log_seconds() - start;
}

/* ---- the thread ------------------------------------------------------------------------------------------------ */

static void *run(void *argument)
{
    struct reader *r = argument;

    pthread_mutex_lock(&r->mutex);
    while (r->state != STATE_END) {
        if (r->state != STATE_WANTED) {
            pthread_cond_wait(&r->changed, &r->mutex);
            continue;
        }
        pthread_mutex_unlock(&r->mutex);
        load(r);
        pthread_mutex_lock(&r->mutex);
        r->state = STATE_READY;
        pthread_cond_broadcast(&r->changed);
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

/* The thread blocks all signals; the main thread handles them. */
static bool start_thread(struct reader *r)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&r->thread, NULL, run, r) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* Wait until the thread has nothing to do, and return its state. */
static enum state settle(struct reader *r)
{
    pthread_mutex_lock(&r->mutex);
    while (r->state == STATE_WANTED)
        pthread_cond_wait(&r->changed, &r->mutex);
    enum state state = r->state;
    pthread_mutex_unlock(&r->mutex);
    return state;
}

static void set_state(struct reader *r, enum state state)
{
    pthread_mutex_lock(&r->mutex);
    r->state = state;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mutex);
}

/* ---- the reader ------------------------------------------------------------------------------------------------ */

enum status reader_open(struct reader **out, const struct dataset_listing *listing,
                        const struct preprocessing *preprocessing, size_t capacity, float *inputs, struct error *err)
{
    struct reader *r = *out = calloc(1, sizeof *r);
    size_t floats = preprocessing->channels * preprocessing->height * preprocessing->width;
    enum status rc = OK;

    if (!r)
        return error_set(err, FAIL_RESOURCE, "no memory to read images");
    r->preprocessing = preprocessing;
    r->capacity = capacity;
    image_init(&r->image);
    image_scratch_init(&r->scratch);
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->changed, NULL);
    for (size_t i = 0; i < 2; i++) {
        r->batches[i].images = calloc(capacity, sizeof *r->batches[i].images);
        r->batches[i].inputs = inputs + i * capacity * floats;
        if (!r->batches[i].images)
            TRY(error_set(err, FAIL_RESOURCE, "no memory to read %zu images", capacity));
    }
    TRY(dataset_open(&r->dataset, listing, err));
    r->threaded = start_thread(r);
done:
    return rc;
}

void reader_ahead(struct reader *r, size_t first, size_t end)
{
    assert(first < end && end - first <= r->capacity);
    if (!r->threaded)
        return;
    settle(r);
    r->batches[r->ahead].first = first;
    r->batches[r->ahead].end = end;
    set_state(r, STATE_WANTED);
}

const struct reader_batch *reader_take(struct reader *r, size_t first, size_t end)
{
    struct reader_batch *taken = &r->batches[r->ahead];

    assert(first < end && end - first <= r->capacity);
    if (settle(r) != STATE_READY || taken->first != first || taken->end != end) {
        taken->first = first;
        taken->end = end;
        load(r);
    }
    r->ahead = 1 - r->ahead;
    set_state(r, STATE_IDLE);
    return taken;
}

double reader_seconds(struct reader *r)
{
    settle(r);
    return r->seconds;
}

void reader_close(struct reader *r)
{
    if (!r)
        return;
    if (r->threaded) {
        settle(r);
        set_state(r, STATE_END);
        pthread_join(r->thread, NULL);
    }
    dataset_close(r->dataset);
    image_free(&r->image);
    image_scratch_free(&r->scratch);
    for (size_t i = 0; i < 2; i++)
        free(r->batches[i].images);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->mutex);
    free(r);
}
