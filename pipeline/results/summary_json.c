#include "pipeline/results/summary_json.h"

#include "pipeline/util/json_output.h"

static json_t *count(size_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *json_layers(const struct summary *summary)
{
    json_t *list = json_array();

    for (size_t i = 0; i < summary->nlayers; i++) {
        const struct summary_layer *layer = &summary->layers[i];
        json_t *item = json_object();

        json_object_set_new(item, "name", json_output_text(layer->name));
        json_object_set_new(item, "channels", count(layer->channels));
        json_object_set_new(item, "bytes", count(layer->nbytes));
        json_object_set_new(item, "cut", json_boolean(layer->cut));
        if (layer->channels)
            json_object_set_new(item, "passes", json_output_real(layer->passes));
        if (layer->has_ledger) {
            json_object_set_new(item, "mass", json_output_real(layer->mass));
            json_object_set_new(item, "bypass", json_output_real(layer->bypass));
            json_object_set_new(item, "bias", json_output_real(layer->bias));
            json_object_set_new(item, "absorbed", json_output_real(layer->absorbed));
            json_object_set_new(item, "variation", json_output_real(layer->variation));
            json_object_set_new(item, "gap", json_output_real(layer->gap));
            json_object_set_new(item, "relative_gap", json_output_real(layer->relative_gap));
        }
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *json_flows(const struct summary *summary)
{
    json_t *list = json_array();

    for (size_t i = 0; i < summary->nflows; i++) {
        json_t *item = json_object();

        json_object_set_new(item, "name", json_output_text(summary->flows[i].name));
        json_object_set_new(item, "upper", count(summary->flows[i].upper));
        json_object_set_new(item, "lower", count(summary->flows[i].lower));
        json_object_set_new(item, "diagonal", json_boolean(summary->flows[i].diagonal));
        json_object_set_new(item, "method", json_output_text(summary->flows[i].method));
        json_object_set_new(item, "bytes", count(summary->flows[i].nbytes));
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *json_queries(const struct summary *summary)
{
    json_t *list = json_array();

    for (size_t i = 0; i < summary->nqueries; i++) {
        const struct summary_query *query = &summary->queries[i];
        json_t *item = json_object();

        json_object_set_new(item, "name", json_output_text(query->name));
        json_object_set_new(item, "expression", json_output_text(query->expression));
        json_object_set_new(item, "mean", json_output_real(query->mean));
        json_object_set_new(item, "std_error", json_output_real(query->std_error));
        json_object_set_new(item, "weak_condition", json_boolean(query->weak));
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *json_status(const struct summary *summary)
{
    json_t *object = json_object();

    for (int status = 0; status < STORE_NSTATUS; status++)
        json_object_set_new(object, store_status_name(status), count(summary->by_status[status]));
    return object;
}

static json_t *json_stages(const struct summary *summary)
{
    json_t *object = json_object();

    for (size_t i = 0; i < summary->nstages; i++)
        json_object_set_new(object, summary->stages[i].name, json_output_real(summary->stages[i].seconds));
    return object;
}

json_t *summary_json(const struct summary *summary)
{
    json_t *object = json_object();
    double labelled = (double)summary->labelled;

    json_object_set_new(object, "images", count(summary->images));
    json_object_set_new(object, "finished", count(summary->finished));
    json_object_set_new(object, "failed", count(summary->failed));
    json_object_set_new(object, "complete", json_boolean(summary->complete));
    if (summary->evaluation) {
        json_object_set_new(object, "evaluation", json_output_text(summary->evaluation));
        json_object_set_new(object, "verdicts", json_output_text(summary->verdicts));
    }
    json_object_set_new(object, "status", json_status(summary));
    json_object_set_new(object, "labels", count(summary->labels));
    json_object_set_new(object, "labelled", count(summary->labelled));
    json_object_set_new(object, "correct", count(summary->correct));
    json_object_set_new(object, "accuracy",
                        summary->labelled ? json_output_real((double)summary->correct / labelled) : json_null());
    json_object_set_new(object, "given_mass", summary->has_given ? json_output_real(summary->given_mean) : json_null());
    json_object_set_new(object, "given_mass_error",
                        summary->has_given ? json_output_real(summary->given_error) : json_null());
    json_object_set_new(object, "weak_condition", json_boolean(summary->weak_condition));
    json_object_set_new(object, "condition_warning",
                        summary->condition_warning ? json_string(summary->condition_warning) : json_null());
    json_object_set_new(object, "layers", json_layers(summary));
    json_object_set_new(object, "flows", json_flows(summary));
    json_object_set_new(object, "queries", json_queries(summary));
    json_object_set_new(object, "seconds", json_stages(summary));
    json_object_set_new(object, "bytes", count(summary->nbytes));
    json_object_set_new(object, "images_bytes", count(summary->images_bytes));
    json_object_set_new(object, "state_bytes", count(summary->state_bytes));
    for (size_t i = 0; i < summary->nattributes; i++) {
        const struct summary_attribute *attribute = &summary->attributes[i];

        json_object_set_new(object, attribute->name,
                            attribute->text ? json_output_text(attribute->text) : json_integer(attribute->integer));
    }
    json_object_set_new(object, "config", json_output_text(summary->config));
    return object;
}
