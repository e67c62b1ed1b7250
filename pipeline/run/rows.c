#include "pipeline/run/rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- layout ---------------------------------------------------------------------------------------------------- */

/* Columns of every run; the order is that of the table. */
enum column {
    PREDICTED,
    TARGET,
    STATUS,
    LOGIT,
    PROBABILITY,
    GIVEN_MASS,
    MASS,
    VARIATION,
    BIAS,
    ABSORBED,
    BYPASS,
    FIXED_COLUMNS
};

static const struct {
    const char *name;
    enum partfile_type type;
    bool per_variable;
} fixed[FIXED_COLUMNS] = {
    [PREDICTED] = {"predicted", PARTFILE_I32, false},
    [TARGET] = {"target", PARTFILE_I32, false},
    [STATUS] = {"status", PARTFILE_I32, false},
    [LOGIT] = {"logit", PARTFILE_F32, false},
    [PROBABILITY] = {"probability", PARTFILE_F32, false},
    [GIVEN_MASS] = {"given_mass", PARTFILE_F64, false},
    [MASS] = {"mass", PARTFILE_F64, true},
    [VARIATION] = {"variation", PARTFILE_F64, true},
    [BIAS] = {"bias", PARTFILE_F64, true},
    [ABSORBED] = {"absorbed", PARTFILE_F64, true},
    [BYPASS] = {"bypass", PARTFILE_F64, true},
};

static size_t type_bytes(enum partfile_type type)
{
    static const size_t bytes[PARTFILE_NTYPES] = {
        [PARTFILE_F32] = 4, [PARTFILE_F64] = 8, [PARTFILE_I32] = 4, [PARTFILE_I64] = 8};

    return bytes[type];
}

static void add_column(struct rows_layout *l, const char *group, const char *name, enum partfile_type type,
                       size_t width)
{
    size_t i = l->ncolumns++;

    snprintf(l->paths[i], ROWS_NAME, "%s/%s", group, name);
    snprintf(l->names[i], ROWS_NAME, "%s.%s", group, name);
    for (char *slash = strchr(l->names[i], '/'); slash; slash = strchr(slash, '/'))
        *slash = '.';
    l->columns[i] = (struct partfile_column){l->names[i], type, width};
    size_t end = l->offset[i] + l->block * width * type_bytes(type);
    l->offset[i + 1] = (end + 7) / 8 * 8;
}

void rows_layout_init(struct rows_layout *layout, const struct measure_plan *plan, size_t block,
                      const struct rows_options *options)
{
    size_t variables = plan->net->nlinks + 1;
    char group[ROWS_NAME];

    *layout = (struct rows_layout){.plan = plan, .block = block, .nqueries = options->nqueries};
    for (size_t i = 0; i < FIXED_COLUMNS; i++) {
        layout->wide[layout->ncolumns] = fixed[i].per_variable;
        add_column(layout, "images", fixed[i].name, fixed[i].type, fixed[i].per_variable ? variables : 1);
    }
    layout->query = layout->ncolumns;
    for (size_t i = 0; i < options->nqueries; i++) {
        snprintf(group, sizeof group, "queries/%s", options->queries[i]);
        add_column(layout, group, "value", PARTFILE_F64, 1);
        add_column(layout, group, "given", PARTFILE_F64, 1);
    }
    layout->nfixed = layout->ncolumns;
    for (size_t k = 0; k < variables; k++) {
        if (!options->relevance[k])
            continue;
        snprintf(group, sizeof group, "layers/%s", network_variable(plan->net, k));
        layout->variable[layout->ncolumns] = k;
        layout->wide[layout->ncolumns] = true;
        add_column(layout, group, "relevance", PARTFILE_F32, network_shape(plan->net, k).channels);
    }
}

/* ---- the rows of a rank ---------------------------------------------------------------------------------------- */

void rows_init(struct rows *rows, const struct rows_layout *layout)
{
    *rows = (struct rows){.layout = layout};
}

static void forget(struct rows *rows)
{
    for (size_t i = 0; i < rows->nblocks; i++)
        free(rows->blocks[i].packed);
    rows->nblocks = 0;
}

void rows_free(struct rows *rows)
{
    forget(rows);
    free(rows->blocks);
    rows->blocks = NULL;
    rows->capacity = 0;
}

static enum status grow(struct rows *rows, struct error *err)
{
    size_t capacity = rows->capacity ? 2 * rows->capacity : 64;
    struct rows_block *blocks = realloc(rows->blocks, capacity * sizeof *blocks);

    if (!blocks)
        return error_set(err, FAIL_SYSTEM, "no memory for the rows of %zu blocks; shorten run.epoch", capacity);
    rows->blocks = blocks;
    rows->capacity = capacity;
    return OK;
}

static void *cell(const struct rows_layout *l, unsigned char *packed, size_t column, size_t row)
{
    const struct partfile_column *c = &l->columns[column];

    return packed + l->offset[column] + row * c->width * type_bytes(c->type);
}

/* Set a row to the values of an image that was not measured. */
static void blank(const struct rows_layout *l, unsigned char *packed, size_t row)
{
    for (size_t column = 0; column < l->ncolumns; column++) {
        void *at = cell(l, packed, column, row);
        for (size_t i = 0; i < l->columns[column].width; i++) {
            if (l->columns[column].type == PARTFILE_F32)
                ((float *)at)[i] = NAN;
            else if (l->columns[column].type == PARTFILE_F64)
                ((double *)at)[i] = NAN;
            else
                ((int32_t *)at)[i] = -1;
        }
    }
    *(int32_t *)cell(l, packed, STATUS, row) = STORE_IMAGE_UNREAD;
}

enum status rows_add_block(struct rows *rows, size_t first, size_t nrows, struct error *err)
{
    const struct rows_layout *l = rows->layout;
    enum status rc = OK;

    if (rows->nblocks == rows->capacity)
        TRY(grow(rows, err));
    unsigned char *packed = calloc(1, l->offset[l->ncolumns]);
    if (!packed)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the rows of a block; shorten run.epoch"));
    for (size_t row = 0; row < nrows; row++)
        blank(l, packed, row);
    rows->blocks[rows->nblocks++] = (struct rows_block){first, nrows, packed};
done:
    return rc;
}

bool rows_full(const struct rows *rows, size_t nbytes)
{
    return (rows->nblocks + 1) * rows->layout->offset[rows->layout->ncolumns] > nbytes;
}

static void put_int(const struct rows_layout *l, unsigned char *packed, size_t column, size_t row, size_t value)
{
    *(int32_t *)cell(l, packed, column, row) = (int32_t)value;
}

static void put_real(const struct rows_layout *l, unsigned char *packed, size_t column, size_t row, double value)
{
    if (l->columns[column].type == PARTFILE_F32)
        *(float *)cell(l, packed, column, row) = (float)value;
    else
        *(double *)cell(l, packed, column, row) = value;
}

/* The results of the forward pass. */
static void put_prediction(const struct rows_layout *l, unsigned char *packed, size_t row,
                           const struct measure_result *r)
{
    put_int(l, packed, PREDICTED, row, r->predicted);
    put_int(l, packed, TARGET, row, r->target);
    put_real(l, packed, LOGIT, row, r->logit);
    put_real(l, packed, PROBABILITY, row, r->probability);
}

static void put_ledger(const struct rows_layout *l, unsigned char *packed, size_t row, const struct measure_result *r)
{
    const double *values[] = {
        [MASS] = r->mass, [VARIATION] = r->variation, [BIAS] = r->bias, [ABSORBED] = r->absorbed, [BYPASS] = r->bypass};

    for (size_t column = MASS; column <= BYPASS; column++)
        memcpy(cell(l, packed, column, row), values[column], l->columns[column].width * sizeof(double));
}

static void put_relevance(const struct rows_layout *l, unsigned char *packed, size_t row,
                          const struct measure_result *r)
{
    for (size_t column = l->nfixed; column < l->ncolumns; column++) {
        float *out = cell(l, packed, column, row);
        const double *in = r->relevance + l->plan->channel[l->variable[column]];
        for (size_t c = 0; c < l->columns[column].width; c++)
            out[c] = (float)in[c];
    }
}

void rows_set(struct rows *rows, size_t row, enum store_status status, const struct measure_result *result,
              const double *queries)
{
    const struct rows_layout *l = rows->layout;
    unsigned char *packed = rows->blocks[rows->nblocks - 1].packed;

    *(int32_t *)cell(l, packed, STATUS, row) = (int32_t)status;
    if (!result)
        return;
    put_prediction(l, packed, row, result);
    if (status != STORE_IMAGE_OK && status != STORE_IMAGE_EXPLODED)
        return;
    put_ledger(l, packed, row, result);
    if (status != STORE_IMAGE_OK)
        return;
    put_real(l, packed, GIVEN_MASS, row, result->given_mass);
    for (size_t i = 0; i < 2 * l->nqueries; i++)
        put_real(l, packed, l->query + i, row, queries[i]);
    put_relevance(l, packed, row, result);
}

static double real_at(const struct rows_layout *l, unsigned char *packed, size_t column, size_t row)
{
    void *at = cell(l, packed, column, row);

    return l->columns[column].type == PARTFILE_F32 ? (double)*(float *)at : *(double *)at;
}

struct rows_image rows_get(const struct rows *rows, size_t row)
{
    const struct rows_layout *l = rows->layout;
    unsigned char *packed = rows->blocks[rows->nblocks - 1].packed;

    return (struct rows_image){.status = (enum store_status) * (int32_t *)cell(l, packed, STATUS, row),
                               .predicted = *(int32_t *)cell(l, packed, PREDICTED, row),
                               .target = *(int32_t *)cell(l, packed, TARGET, row),
                               .logit = real_at(l, packed, LOGIT, row),
                               .value = l->nqueries ? real_at(l, packed, l->query, row) : NAN,
                               .given = l->nqueries ? real_at(l, packed, l->query + 1, row) : NAN};
}

/* ---- part files ------------------------------------------------------------------------------------------------ */

static enum status append(struct partfile_writer *part, const struct rows_layout *l, const struct rows_block *block,
                          struct error *err)
{
    const void *data[ROWS_MAX_COLUMNS];

    for (size_t column = 0; column < l->ncolumns; column++)
        data[column] = block->packed + l->offset[column];
    return partfile_append(part, block->first, block->nrows, data, err);
}

/* Send this rank's blocks to the node's first rank. A count, then two messages a block. */
static void send_blocks(const struct rows *rows, const struct node *node)
{
    unsigned long long count = rows->nblocks;

    MPI_Send(&count, 1, MPI_UNSIGNED_LONG_LONG, 0, 0, node->comm);
    for (size_t i = 0; i < rows->nblocks; i++) {
        unsigned long long place[] = {rows->blocks[i].first, rows->blocks[i].nrows};
        MPI_Send(place, 2, MPI_UNSIGNED_LONG_LONG, 0, 0, node->comm);
        MPI_Send(rows->blocks[i].packed, (int)rows->layout->offset[rows->layout->ncolumns], MPI_BYTE, 0, 0, node->comm);
    }
}

/* Receive one rank's blocks and append them. All messages are received even if writing has failed. */
static enum status receive_blocks(struct partfile_writer *part, const struct rows_layout *l, int from, size_t count,
                                  const struct node *node, unsigned char *packed, enum status rc, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        unsigned long long place[2];
        MPI_Recv(place, 2, MPI_UNSIGNED_LONG_LONG, from, 0, node->comm, MPI_STATUS_IGNORE);
        MPI_Recv(packed, (int)l->offset[l->ncolumns], MPI_BYTE, from, 0, node->comm, MPI_STATUS_IGNORE);
        struct rows_block block = {(size_t)place[0], (size_t)place[1], packed};
        if (rc == OK)
            rc = append(part, l, &block, err);
    }
    return rc;
}

static enum status write_gathered(struct rows *rows, const struct node *node, unsigned char *packed, const char *path,
                                  struct error *err)
{
    const struct rows_layout *l = rows->layout;
    struct partfile_writer *part = NULL;
    enum status rc = partfile_create(&part, path, l->columns, l->ncolumns, l->block, err);

    for (size_t i = 0; rc == OK && i < rows->nblocks; i++)
        rc = append(part, l, &rows->blocks[i], err);
    for (int from = 1; from < node->nlocal; from++) {
        unsigned long long count;
        MPI_Recv(&count, 1, MPI_UNSIGNED_LONG_LONG, from, 0, node->comm, MPI_STATUS_IGNORE);
        rc = receive_blocks(part, l, from, (size_t)count, node, packed, rc, err);
    }
    if (rc == OK)
        return partfile_commit(part, err);
    partfile_discard(part);
    return rc;
}

enum status rows_write_part(struct rows *rows, const struct node *node, const char *path, struct error *err)
{
    enum status rc = OK;
    unsigned char *packed = NULL;
    int ready = 1;

    if (node->local == 0) {
        packed = malloc(rows->layout->offset[rows->layout->ncolumns]);
        ready = packed != NULL;
    }
    MPI_Bcast(&ready, 1, MPI_INT, 0, node->comm);
    if (!ready)
        rc = error_set(err, FAIL_SYSTEM, "no memory to gather the rows of a node");
    else if (node->local == 0)
        rc = write_gathered(rows, node, packed, path, err);
    else
        send_blocks(rows, node);
    free(packed);
    forget(rows);
    return rc;
}

/* ---- the store ------------------------------------------------------------------------------------------------- */

static int by_first(const void *a, const void *b)
{
    const struct rows_place *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

/* All blocks in the order of their rows. */
static enum status order_blocks(struct rows_parts *p, struct error *err)
{
    size_t n = 0;

    for (size_t i = 0; i < p->nparts; i++)
        n += partfile_nblocks(p->parts[i]);
    p->places = calloc(n ? n : 1, sizeof *p->places);
    if (!p->places)
        return error_set(err, FAIL_SYSTEM, "no memory for a list of %zu blocks", n);
    for (size_t i = 0; i < p->nparts; i++)
        for (size_t b = 0; b < partfile_nblocks(p->parts[i]); b++)
            p->places[p->nplaces++] =
                (struct rows_place){partfile_first_image(p->parts[i], b), partfile_nrows(p->parts[i], b), i, b};
    qsort(p->places, n, sizeof *p->places, by_first);
    for (size_t i = 0; i < n; i++) {
        p->nrows += p->places[i].nrows;
        if (i > 0 && p->places[i].first < p->places[i - 1].first + p->places[i - 1].nrows)
            return error_set(err, FAIL_FORMAT, "the part files of this run hold row %zu twice", p->places[i].first);
    }
    return OK;
}

enum status rows_parts_open(struct rows_parts *parts, const struct rows_layout *layout, const char *const *paths,
                            size_t nparts, struct error *err)
{
    enum status rc = OK;

    *parts = (struct rows_parts){.layout = layout};
    parts->parts = calloc(nparts ? nparts : 1, sizeof(struct partfile *));
    if (!parts->parts)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for %zu part files", nparts));
    if (nparts > 0)
        TRY(partfile_reader_start(&parts->reader, layout->columns, layout->ncolumns, err));
    for (size_t i = 0; i < nparts; i++) {
        TRY(partfile_open(&parts->parts[i], parts->reader, paths[i], err));
        parts->nparts++;
        if (partfile_rows_per_block(parts->parts[i]) != layout->block)
            TRY(error_set(err, FAIL_FORMAT, "%s: has blocks of %zu rows, this run's have %zu", paths[i],
                          partfile_rows_per_block(parts->parts[i]), layout->block));
    }
    TRY(order_blocks(parts, err));
done:
    return rc;
}

void rows_parts_free(struct rows_parts *parts)
{
    for (size_t i = 0; i < parts->nparts; i++)
        partfile_close(parts->parts[i]);
    partfile_reader_end(parts->reader);
    free(parts->parts);
    free(parts->places);
    *parts = (struct rows_parts){0};
}

/* The store keeps a status as one byte. */
static enum status narrow_status(void *buffer, const struct rows_place *at, size_t *counts, struct error *err)
{
    const int32_t *wide = buffer;
    uint8_t *narrow = buffer;

    for (size_t i = 0; i < at->nrows; i++) {
        if (wide[i] < 0 || wide[i] >= STORE_NSTATUS)
            return error_set(err, FAIL_FORMAT, "a part file of this run has no valid status for row %zu",
                             at->first + i);
        narrow[i] = (uint8_t)wide[i];
        counts[narrow[i]]++;
    }
    return OK;
}

static enum status pack_column(struct store *store, size_t *counts, const struct rows_parts *p, size_t column,
                               size_t nrows, void *buffer, struct error *err)
{
    const struct rows_layout *l = p->layout;
    size_t dims[] = {nrows, l->columns[column].width};
    enum status rc = OK;

    TRY(store_create_rows(store, l->paths[column], l->wide[column] ? 2 : 1, dims, err));
    for (size_t i = 0; i < p->nplaces; i++) {
        const struct rows_place *at = &p->places[i];
        TRY(partfile_read(buffer, p->parts[at->part], at->block, column, err));
        if (column == STATUS)
            TRY(narrow_status(buffer, at, counts, err));
        TRY(store_write_rows(store, l->paths[column], at->first, at->nrows, buffer, err));
    }
done:
    return rc;
}

enum status rows_pack(struct store *store, size_t *counts, const struct rows_parts *parts, size_t nrows, bool complete,
                      struct error *err)
{
    const struct rows_layout *l = parts->layout;
    void *buffer = malloc(l->offset[l->ncolumns]);
    enum status rc = OK;

    memset(counts, 0, STORE_NSTATUS * sizeof *counts);
    if (!buffer)
        TRY(error_set(err, FAIL_SYSTEM, "no memory for the rows of a block"));
    if (complete && parts->nrows != nrows)
        TRY(error_set(err, FAIL_FORMAT, "the part files of this run hold %zu rows of %zu", parts->nrows, nrows));
    for (size_t column = 0; column < (complete ? l->ncolumns : l->nfixed); column++)
        TRY(pack_column(store, counts, parts, column, nrows, buffer, err));
done:
    free(buffer);
    return rc;
}

enum status rows_read_column(double *out, const struct rows_parts *parts, size_t column, size_t nrows,
                             struct error *err)
{
    enum status rc = OK;

    for (size_t i = 0; i < nrows; i++)
        out[i] = NAN;
    for (size_t i = 0; i < parts->nplaces; i++) {
        const struct rows_place *at = &parts->places[i];
        if (at->first > nrows || at->nrows > nrows - at->first)
            TRY(error_set(err, FAIL_FORMAT, "the part files of this run hold rows beyond its %zu images", nrows));
        TRY(partfile_read(out + at->first, parts->parts[at->part], at->block, column, err));
    }
done:
    return rc;
}
