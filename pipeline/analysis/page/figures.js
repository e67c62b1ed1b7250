// What the charts and tables of evaluations share: a figure with its error, as text and as a bar, and the colours of orders.
import { colour } from './theme.js';

const COLOURS = ['positive', 'negative', 'neurons', 'bias', 'absorbed', 'rest', 'muted'];

// Three decimals: errors are of the order of 0.01. Without an error, where there is none.
export function figure(value, error) {
  if (value === null || value === undefined) return '–';
  const known = error !== null && error !== undefined && !Number.isNaN(error);
  return `${value.toFixed(3)}${known ? ` ± ${error.toFixed(3)}` : ''}`.replace('-', '−');
}

export const orderColour = (k) => colour(COLOURS[k % COLOURS.length]);

export function legend(names) {
  return { top: 4, left: 0, itemWidth: 18, textStyle: { color: colour('ink') }, data: names, selectedMode: false };
}

// Room above a chart's area for a legend and the name of the axis: letters and symbols are about this wide.
export function legendRoom(names, width) {
  let rows = 1;
  let used = 0;
  for (const name of names) {
    const size = 34 + 7 * name.length;
    if (used + size > width && used) {
      rows++;
      used = 0;
    }
    used += size;
  }
  return 30 + 24 * rows;
}

export function nameAbove() {
  return { nameLocation: 'end', nameTextStyle: { align: 'left', color: colour('muted'), padding: [0, 0, 0, -50] } };
}

// Errors of points [x, value, error] as bars; a point without an error has none.
export function whiskers(points, shift = 0) {
  return {
    type: 'custom', silent: true, tooltip: { show: false }, encode: { x: 0, y: 1 }, data: points.filter((point) => point[2] !== null), z: 3,
    renderItem: (_, api) => {
      const [[x, low], [, high]] = [-1, 1].map((sign) => api.coord([api.value(0), api.value(1) + sign * api.value(2)]));
      return { type: 'line', shape: { x1: x + shift, y1: low, x2: x + shift, y2: high }, style: { stroke: colour('ink'), lineWidth: 1 } };
    },
  };
}
