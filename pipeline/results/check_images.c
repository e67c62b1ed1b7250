#include "pipeline/results/check_images.h"

#include "kernels/base/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- prediction ------------------------------------------------------------------------------------------------ */

/* Columns with one number for every image. */
struct columns {
    int64_t *label, *predicted, *target;
    double *logit, *probability;
};

static void free_columns(struct columns *columns)
{
    free(columns->label);
    free(columns->predicted);
    free(columns->target);
    free(columns->logit);
    free(columns->probability);
}

static enum status read_columns(struct columns *columns, struct check *c)
{
    enum status rc = OK;

    TRY(store_read_int(&columns->label, c->reader, "images/label", 1, &c->images, c->err));
    TRY(store_read_int(&columns->predicted, c->reader, "images/predicted", 1, &c->images, c->err));
    TRY(store_read_int(&columns->target, c->reader, "images/target", 1, &c->images, c->err));
    TRY(store_read_real(&columns->logit, c->reader, "images/logit", 1, &c->images, c->err));
    TRY(store_read_real(&columns->probability, c->reader, "images/probability", 1, &c->images, c->err));
done:
    return rc;
}

static bool failed(int64_t status)
{
    return status == STORE_IMAGE_UNREAD || status == STORE_IMAGE_UNSUPPORTED;
}

static bool is_class(const struct check *c, int64_t number)
{
    return number >= 0 && number < (int64_t)c->classes;
}

/* An image that is ok has numbers, one that failed has none. */
static void check_prediction(struct check *c, const struct columns *columns)
{
    bool contrast = c->config.measure.target.kind == CONFIG_TARGET_CONTRAST;
    struct check_offenders label = {0}, classes = {0}, logit = {0}, probability = {0}, numbers = {0}, mass = {0};

    for (size_t i = 0; i < c->images; i++) {
        bool ok = check_is_ok(c, i), bad = failed(c->status[i]);
        double p = columns->probability[i];
        check_offend(&label, i, columns->label[i] < -1);
        check_offend(&classes, i, ok && (!is_class(c, columns->predicted[i]) || !is_class(c, columns->target[i])));
        check_offend(&logit, i, ok && !isfinite(columns->logit[i]));
        check_offend(&probability, i, ok && (contrast ? !isnan(p) : !(p >= 0 && p <= 1 + CHECK_LAW)));
        check_offend(
            &numbers, i,
            bad && (columns->predicted[i] != -1 || columns->target[i] != -1 || !isnan(columns->logit[i]) || !isnan(p)));
        check_offend(&mass, i, ok != (isfinite(c->given[i]) != 0) || (!ok && !isnan(c->given[i])));
    }
    check_report(c, "images/label", label, "images", "is neither a class nor -1");
    check_report(c, "images/predicted", classes, "images", "or images/target is no class, though the image is ok");
    check_report(c, "images/logit", logit, "images", "is not finite, though the image is ok");
    check_report(c, "images/probability", probability, "images",
                 contrast ? "is not NaN, though a contrast is explained" : "is not between 0 and 1");
    check_report(c, "images/status", numbers, "images", "says that an image failed, but it has a prediction");
    check_report(c, "images/given_mass", mass, "images", "must be finite for images that are ok, and NaN for others");
}

static void keep_classes(struct check *c, const struct columns *columns)
{
    bool by_label = c->config.store.class_by == CONFIG_BY_LABEL;

    for (size_t i = 0; i < c->images; i++) {
        int64_t class = by_label ? columns->label[i] : columns->target[i];
        c->class[i] = check_is_ok(c, i) && is_class(c, class) ? class : -1;
    }
}

/* ---- status ---------------------------------------------------------------------------------------------------- */

static enum status check_status(struct check *c)
{
    struct check_offenders unknown = {0};
    int64_t finished, complete = 1;
    size_t unread = 0;
    enum status rc = OK;

    for (size_t i = 0; i < c->images; i++) {
        check_offend(&unknown, i, c->status[i] < 0 || c->status[i] >= STORE_NSTATUS);
        c->ok += check_is_ok(c, i);
        unread += c->status[i] == STORE_IMAGE_UNREAD;
    }
    check_report(c, "images/status", unknown, "images", "is no status that there is");
    TRY(store_get_int(&complete, c->reader, "", "complete", c->err));
    if (complete || !store_has_attribute(c->reader, "", "finished"))
        goto done;
    TRY(store_get_int(&finished, c->reader, "", "finished", c->err));
    if (finished < 0 || finished > (int64_t)c->images || c->images - (size_t)finished > unread)
        store_problem_add(c->problems, "", "the attribute finished is %lld, but %zu of %zu images are not `unread`",
                          (long long)finished, c->images - unread, c->images);
done:
    return rc;
}

/* ---- condition ------------------------------------------------------------------------------------------------- */

static enum status check_given(struct check *c)
{
    double sum = 0, squares = 0, size = 0, mean, error;
    enum status rc = OK;

    for (size_t i = 0; i < c->images; i++) {
        sum += check_is_ok(c, i) ? c->given[i] : 0;
        size += check_is_ok(c, i) ? fabs(c->given[i]) : 0;
    }
    c->given_mean = sum / (double)c->ok;
    for (size_t i = 0; i < c->images; i++)
        squares += check_is_ok(c, i) ? pow(c->given[i] - c->given_mean, 2) : 0;
    TRY(store_get_real(&mean, c->reader, "", "given_mean", c->err));
    TRY(store_get_real(&error, c->reader, "", "given_std_error", c->err));
    double want = c->ok >= 2 ? sqrt(squares / (double)(c->ok - 1) / (double)c->ok) : NAN;
    double scale = c->ok ? size / (double)c->ok : 0;
    if (!check_near(mean, c->given_mean, CHECK_ROUNDING * scale))
        store_problem_add(c->problems, "", "the attribute given_mean is %.9g, the mean of images/given_mass is %.9g",
                          mean, c->given_mean);
    if (!check_near(error * error, want * want, 1e-6 * want * want + 1e-14 * scale * scale))
        store_problem_add(c->problems, "", "the attribute given_std_error is %.6g, and that of images/given_mass %.6g",
                          error, want);
    if (store_has_attribute(c->reader, "", "weak_condition") != (fabs(mean) < 3 * error))
        store_problem_add(c->problems, "",
                          "the attribute weak_condition must be there if, and only if, given_mean is "
                          "within 3 given_std_error of zero");
done:
    return rc;
}

/* ---- ledger ---------------------------------------------------------------------------------------------------- */

enum { MASS, BYPASS, BIAS, ABSORBED, VARIATION, NTERMS };

struct ledger {
    double *terms[NTERMS]; /* [CHECK_ROWS][layers] */
    struct check_offenders open, variation, numbers, cuts;
};

/* `most` is the largest total variation of this layer and those above: what they round goes on down. A contrast of two
 * close logits begins with large shares, of which little is left below. */
static void check_entry(struct check *c, struct ledger *ledger, size_t image, size_t k, const double *terms,
                        double most)
{
    double sum = 0, least = 0, tolerance = CHECK_LAW * most;
    bool numbers = false;

    for (size_t t = MASS; t <= ABSORBED; t++) {
        sum += terms[t];
        least += fabs(terms[t]);
        numbers = numbers || !isnan(terms[t]);
    }
    if (failed(c->status[image]))
        check_offend(&ledger->numbers, image, numbers || !isnan(terms[VARIATION]));
    if (!check_is_ok(c, image))
        return;
    check_offend(&ledger->open, image, !(fabs(sum - 1) <= tolerance));
    check_offend(&ledger->variation, image, !(terms[VARIATION] >= least - tolerance));
    check_offend(&ledger->cuts, image, (!c->net || c->net->cut[k]) && terms[BYPASS] != 0);
    c->layers[k].mass += terms[MASS] / (double)c->ok;
    c->layers[k].variation += terms[VARIATION] / (double)c->ok;
}

/* Row `row` of those that are read, from the logits down. */
static void check_image_ledger(struct check *c, struct ledger *ledger, size_t first, size_t row)
{
    double most = 1;

    for (size_t k = c->nlayers; k-- > 0;) {
        size_t i = row * c->nlayers + k;
        double terms[NTERMS];
        for (size_t t = 0; t < NTERMS; t++)
            terms[t] = ledger->terms[t][i];
        most = fmax(most, terms[VARIATION]);
        check_entry(c, ledger, first + row, k, terms, most);
    }
}

/* Stores of early versions have no bypass, which is zero in a chain. */
static enum status read_term(double *out, struct check *c, const char *path, size_t first, size_t nrows)
{
    for (size_t i = 0; !c->net && i < nrows * c->nlayers; i++)
        out[i] = failed(c->status[first + i / c->nlayers]) ? NAN : 0;
    return !c->net && strcmp(path, "images/bypass") == 0
               ? OK
               : store_read_rows(out, c->reader, path, first, nrows, c->nlayers, c->err);
}

static enum status check_ledger(struct check *c)
{
    static const char *const paths[NTERMS] = {"images/mass", "images/bypass", "images/bias", "images/absorbed",
                                              "images/variation"};
    struct ledger ledger = {0};
    enum status rc = OK;

    for (size_t t = 0; t < NTERMS; t++)
        TRY(check_allocate(&ledger.terms[t], CHECK_ROWS * c->nlayers, c));
    for (size_t first = 0; first < c->images; first += CHECK_ROWS) {
        size_t nrows = smaller(c->images - first, CHECK_ROWS);
        for (size_t t = 0; t < NTERMS; t++)
            TRY(read_term(ledger.terms[t], c, paths[t], first, nrows));
        for (size_t i = 0; i < nrows; i++)
            check_image_ledger(c, &ledger, first, i);
    }
    check_report(c, "images/mass", ledger.open, "images",
                 "the ledger is open: mass + bypass + bias + absorbed is not one");
    check_report(c, "images/variation", ledger.variation, "images", "is below |mass| + |bypass| + |bias| + |absorbed|");
    check_report(c, "images/bypass", ledger.cuts, "images", "is not zero at a cut");
    check_report(c, "images/mass", ledger.numbers, "images", "has numbers of images that failed");
done:
    for (size_t t = 0; t < NTERMS; t++)
        free(ledger.terms[t]);
    return rc;
}

enum status check_images(struct check *c)
{
    struct columns columns = {0};
    enum status rc = OK;

    c->images = STORE_ANY;
    TRY(store_read_int(&c->status, c->reader, "images/status", 1, &c->images, c->err));
    TRY(store_read_real(&c->given, c->reader, "images/given_mass", 1, &c->images, c->err));
    c->class = calloc(c->images + 1, sizeof *c->class);
    if (!c->class)
        TRY(error_set(c->err, FAIL_SYSTEM, "no memory for the classes of %zu images", c->images));
    TRY(check_status(c));
    TRY(read_columns(&columns, c));
    check_prediction(c, &columns);
    keep_classes(c, &columns);
    TRY(check_given(c));
    TRY(check_ledger(c));
done:
    free_columns(&columns);
    return rc;
}
