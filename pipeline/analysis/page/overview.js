// The run, whether it has finished, and whether its numbers can be trusted.
import { bytes, count, h, number, percent, table, withError } from './dom.js';

const LEDGER_TOLERANCE = 1e-5; // of the total variation, as `nrmflow info` has it
const LISTED = 6;
const CALM_VARIATION = 10; // total variation of a layer above which the page warns of strong cancellation

function banner(kind, title, ...text) {
  return h('div', { class: `banner ${kind}`, role: kind === 'good' ? null : 'alert' }, h('strong', {}, title), h('p', {}, text));
}

export function banners(data) {
  const { summary } = data;
  const list = [];
  if (!summary.complete) {
    list.push(banner('bad', `This run has not finished: these numbers cover ${count(summary.finished)} of ${count(summary.images)} images`,
      'Run the same command again to continue it, then make a new report.'));
  }
  for (const query of summary.queries.filter((one) => one.weak_condition)) {
    list.push(banner('warn', `The condition of the query ${query.name} has a mean mass that cannot be told from zero`, 'Its mean is unreliable, or no number.'));
  }
  if (summary.weak_condition && summary.given_mass === 0) {
    list.push(banner('warn', 'No image meets the condition', 'Its mass is zero in all of them. Means are divided by it, so they are not numbers (weak_condition). Run again with another ',
      h('code', {}, 'measure.given'), ', or with ', h('code', {}, 'none'), '.'));
  } else if (summary.weak_condition) {
    list.push(banner('warn', 'The condition’s mean mass cannot be distinguished from zero',
      `It is ${withError(summary.given_mass, summary.given_mass_error)}. Means are divided by it, so they are statistically unreliable. Run again with `,
      h('code', {}, 'measure.given = none'), ', or with a composite of nonnegative rules.'));
  }
  if (summary.condition_warning) {
    list.push(banner('warn', 'The order of channels misleads', `${summary.condition_warning[0].toUpperCase()}${summary.condition_warning.slice(1)}.`));
  }
  if (summary.failed) {
    list.push(banner('warn', `${count(summary.failed)} images could not be used`, 'They are excluded from all means; the list is below.'));
  }
  return list;
}

export function verdict(data) {
  const ledger = data.summary.layers.filter((layer) => layer.gap !== undefined);
  if (!ledger.length) return null;
  // JSON has no infinity: a gap of null is an open ledger.
  const largest = (key) => Math.max(...ledger.map((layer) => (layer[key] === null ? Infinity : layer[key])));
  const gap = largest('gap');
  const wild = ledger.filter((layer) => layer.variation === null || layer.variation > CALM_VARIATION);
  if (!(largest('relative_gap') <= LEDGER_TOLERANCE)) {
    return banner('bad', `The ledger is open by up to ${number(gap, 2)}`,
      'In some layer of some image, neurons, bias and absorbed do not sum to one. This is an error of the program: do not use these numbers.');
  }
  if (wild.length) {
    return banner('warn', 'The ledger is closed, but signs cancel strongly',
      `Total variation is above ${CALM_VARIATION} in ${wild.length > LISTED ? `${wild.length} of ${ledger.length} variables` : wild.map((layer) => layer.name).join(', ')}: positive and negative shares are much larger than their sum. Trust differences more than ranks.`);
  }
  const most = largest('variation');
  return banner('good', most < 2 ? 'The ledger is closed, and signs hardly cancel' : 'The ledger is closed, and some signs cancel',
    `In every layer of every image, neurons ${data.summary.layers.some((layer) => layer.bypass) ? '+ past the layer ' : ''}+ bias + absorbed = 1 within ${number(gap, 2)}. Mean total variation is at most ${number(most, 3)}; 1 means that nothing cancels.`);
}

function tile(label, value, more, key) {
  return h('div', { class: 'tile' }, h('div', { class: 'label' }, label), h('div', { class: 'value', 'data-key': key || null }, value),
    h('div', { class: 'more' }, more || ''));
}

function given(data) {
  const { summary } = data;
  if (summary.given === 'none') return tile('Condition', 'none', 'all walks count', 'given_mass');
  return tile(summary.given === 'input' ? 'Reaches the input' : 'Mass of the condition',
    summary.given_mass === null ? '–' : number(summary.given_mass),
    summary.given_mass === null ? '' : `± ${number(summary.given_mass_error, 2)}; means below are divided by it`, 'given_mass');
}

function tiles(data) {
  const { summary } = data;
  const excluded = summary.status.exploded + summary.status.undefined;
  return h('div', { class: 'tiles' },
    tile('Images', count(summary.finished), summary.complete ? 'all images of the run' : `of ${count(summary.images)}`, 'finished'),
    summary.labelled ? tile('Accuracy', percent(summary.accuracy, 2), `${count(summary.correct)} of ${count(summary.labelled)} with a label`, 'accuracy')
      : tile('Accuracy', '–', 'no image has a label', 'accuracy'),
    tile('Failed images', count(summary.failed), summary.failed ? percent(summary.failed / summary.finished, 2) : 'none', 'failed'),
    tile('Left out', count(excluded), `${count(summary.status.exploded)} exploded, ${count(summary.status.undefined)} undefined`, 'excluded'),
    given(data));
}

function failures(data) {
  if (!data.failures.length) return null;
  const all = data.summary.failed + data.summary.status.exploded + data.summary.status.undefined;
  return h('details', { open: all <= 10 }, h('summary', {}, `Images excluded from all means (${count(all)})`),
    table(data.failures.length < all ? `The first ${data.failures.length}; the store lists all in images/status` : 'Image, path and status',
      [{ name: 'Row' }, { name: 'Path', text: true }, { name: 'Status', text: true }],
      data.failures.map((row) => [String(row.image), row.path || '', row.status])));
}

// What was done to the pixels; stores of earlier versions do not say.
function pixels(summary) {
  if (!summary.pixel_mean) return null;
  const sizes = [summary.pixel_resize ? `resized to ${summary.pixel_resize} (${summary.pixel_resampling})` : '',
    summary.pixel_crop ? `cropped to ${summary.pixel_crop}` : '', summary.pixel_pad ? `padded by ${summary.pixel_pad}` : ''].filter(Boolean);
  return [`from 0 to ${summary.pixel_scale}, minus ${summary.pixel_mean}, divided by ${summary.pixel_std}`,
    `the network was trained on ${summary.pixel_order.toUpperCase()}`, ...sizes].join('; ');
}

function facts(data) {
  const { summary } = data;
  const rows = [['Network', summary.network], ['Rules', summary.composite], ['Explained', `logit of the target: ${summary.target}`],
    ['Condition', summary.given === 'input' ? 'walks that start at a pixel (given = input)' : summary.given],
    ['Dataset', summary.dataset], ['Labels', `${count(summary.labels)} of ${count(summary.images)}`], ['Pixels', pixels(summary)],
    ['Program', `nrmflow ${summary.program_version}`], ['Store', `${data.store}, ${bytes(summary.bytes)}`]];
  return h('dl', { class: 'facts' }, rows.filter(([, value]) => value).flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
}

export function overview(data) {
  return h('section', { id: 'overview', 'aria-labelledby': 'h-overview' }, h('h2', { id: 'h-overview' }, 'Overview'), tiles(data), verdict(data), failures(data), facts(data));
}
