import { h } from './dom.js';

// Relevance given a channel: joint relevance from the flow matrices, divided by the channel's own.

// Of the channels of `layer`, given a channel of another: { numbers, values } (values by position of numbers), or null
// with the pair that the store does not have.
export function givenChannel(data, layer, other, channel) {
  const names = data.summary.layers.map((item) => item.name);
  const below = names.indexOf(layer) < names.indexOf(other);
  const pair = below ? `${layer}-${other}` : `${other}-${layer}`;
  const matrix = data.flowMatrix(pair);
  const joint = matrix && (below ? matrix.row(channel) : matrix.column(channel));
  if (!joint) return { pair, below, values: null, partial: Boolean(matrix) };
  const own = data.of(other, 'mean')[channel];
  return { pair, below, numbers: below ? matrix.columns : matrix.rows, values: joint.map((value) => value / own), joint, partial: matrix.partial };
}

// The channels of largest |value|, as {channel, value}.
export function strongest(found, most) {
  const order = Array.from(found.values.keys()).sort((a, b) => Math.abs(found.values[b]) - Math.abs(found.values[a]));
  return order.slice(0, most).filter((i) => found.values[i] !== 0).map((i) => ({ channel: found.numbers[i], value: found.values[i], joint: found.joint[i] }));
}

// The setting that makes a run store the flows of a pair.
export function whatAdds(pair) {
  const flows = ['fc6-fc7', 'fc7-fc8'].includes(pair) ? 'dense' : pair;
  return [h('code', {}, flows), ' in ', h('code', {}, 'measure.flows'), ' adds them.'];
}
