#include "pipeline/evaluate/stores_output.h"

#include "pipeline/mpi/agree.h"

#include <math.h>

static enum status write_file(struct stores_output *output, const struct answers_contents *contents, struct error *err)
{
    enum status rc = lock_check(output->lock.lock, err);

    return rc == OK ? answers_file_write(output->path, contents, err) : rc;
}

static enum status save(void *context, const struct answers_record *record, struct error *err)
{
    struct stores_output *output = context;
    struct answers_contents contents = {
        .plan = output->plan, .rows = record->rows, .settings = output->settings, .record = record};

    return write_file(output, &contents, err);
}

/* Rank 0. */
static enum status enter(struct stores_output *output, bool restart, struct log *log, struct error *err)
{
    const struct config *config = output->plan->config;
    enum status rc = OK;

    TRY(answers_file_check(output->path, output->plan, restart, err));
    TRY(parts_enter(&output->lock, output->path, output->node->host, config->run.lock, log, err));
    if (!restart)
        TRY(answers_file_read(&output->complete, output->path, output->plan, output->settings, &output->record, err));
done:
    return rc;
}

enum status stores_output_enter(struct stores_output *output, bool restart, struct log *log, struct error *err)
{
    static const struct stop_times times = {.limit = INFINITY, .reserve = NAN};
    const struct node *node = output->node;
    int complete;
    enum status rc = OK;

    TRY(stop_start(&output->stop, &times, output->path, node, log, err));
    TRY(agree(node->world, node->rank == 0 ? enter(output, restart, log, err) : OK, err));
    complete = output->complete;
    MPI_Bcast(&complete, 1, MPI_INT, 0, node->world);
    output->complete = complete;
    answers_record_share(&output->record, node);
    output->record.stop = &output->stop;
    output->record.epoch = output->plan->config->run.epoch;
    output->record.saved = log_seconds();
    output->record.save = save;
    output->record.context = output;
    if (output->record.known > 0)
        log_info(log, "the evaluation goes on path=%s answers=%zu", output->path, output->record.known);
done:
    return rc;
}

enum status stores_output_write(struct stores_output *output, const struct answers_contents *contents,
                                struct error *err)
{
    return agree(output->node->world, output->node->rank == 0 ? write_file(output, contents, err) : OK, err);
}

void stores_output_free(struct stores_output *output)
{
    answers_record_free(&output->record);
    parts_free(&output->lock);
}
