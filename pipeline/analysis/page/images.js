// The images in which a channel is most relevant, and those in which it is most active, with its relevance over them.
import { choice, h, number } from './dom.js';
import { diverging, onTheme } from './theme.js';

const SIDE = 96;
const ZERO = 32;
const LEVELS = 31;
const PALE = 0.35; // of a picture's contrast that is left below the colours
const LISTS = [['Most relevant in (RelMax)', 'top_image', 'top_value'], ['Most active in (ActMax)', 'active_image', 'active_value']];

const now = { over: true };

// A picture as it is, or in pale grey under the colours of a map.
function paint(canvas, data, slot, map) {
  const [height, width, channels] = data.images.picture;
  const [mapHeight, mapWidth] = data.images.map;
  const pixels = data.array('images/pixels').subarray(slot * height * width * channels, (slot + 1) * height * width * channels);
  const image = new ImageData(width, height);
  const rgb = diverging();
  const ends = [rgb(-1), rgb(1)];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * channels;
      let shown = [0, 1, 2].map((c) => pixels[at + (channels === 1 ? 0 : c)]);
      if (map) {
        const level = (map[Math.floor((y * mapHeight) / height) * mapWidth + Math.floor((x * mapWidth) / width)] - ZERO) / LEVELS;
        const grey = 255 - PALE * (255 - (0.299 * shown[0] + 0.587 * shown[1] + 0.114 * shown[2]));
        const over = ends[level > 0 ? 1 : 0];
        shown = over.map((value) => (1 - Math.abs(level)) * grey + Math.abs(level) * value);
      }
      shown.forEach((value, c) => { image.data[(y * width + x) * 4 + c] = value; });
      image.data[(y * width + x) * 4 + 3] = 255;
    }
  }
  const buffer = document.createElement('canvas');
  buffer.width = width;
  buffer.height = height;
  buffer.getContext('2d').putImageData(image, 0, 0);
  const context = canvas.getContext('2d');
  context.imageSmoothingEnabled = false;
  context.drawImage(buffer, 0, 0, canvas.width, canvas.height);
}

function figure(data, layer, c, kept, list, rank, drawings) {
  const [, imageName, valueName] = LISTS[list];
  const depth = data.shape(`layers/${layer}/${imageName}`)[1];
  const image = data.of(layer, imageName)[c * depth + rank];
  const slot = data.images.numbers.indexOf(image);
  if (image < 0 || slot < 0) return null;
  const area = data.images.map[0] * data.images.map[1];
  const at = (kept * 2 + list) * data.images.depth + rank;
  const map = data.array(`images/${layer}/maps`).subarray(at * area, (at + 1) * area);
  const value = data.of(layer, valueName)[c * depth + rank];
  const canvas = h('canvas', { width: 2 * SIDE, height: 2 * SIDE, role: 'img', 'aria-label': `image ${image}` });
  const missing = map[0] === 0;
  drawings.push(() => { if (!missing) paint(canvas, data, slot, now.over ? map : null); });
  return h('figure', {}, canvas, h('figcaption', {}, h('b', {}, number(value, 3)), `image ${image}${missing ? ', not measured here' : ''}`));
}

function rows(data, layer, c, drawings) {
  const kept = data.images.layers[layer].indexOf(c);
  return LISTS.map(([title, name], list) => {
    if (!data.shape(`layers/${layer}/${name}`)) return h('p', { class: 'note' }, `The store has no list ${name} (store.top = 0).`);
    return h('div', {}, h('h3', {}, title), h('div', { class: 'thumbs' }, Array.from({ length: data.images.depth }, (_, rank) => figure(data, layer, c, kept, list, rank, drawings))));
  });
}

// The element, and what is to be called before it goes.
export function thumbnails(data, layer, c) {
  const title = h('h3', {}, 'Images');
  if (!data.images) {
    return [h('div', { class: 'pictures' }, title, h('p', { class: 'note' }, 'This report was made without images; ', h('code', {}, `nrmflow report ${data.store} --images CONFIG`), ', with CONFIG the configuration of its run, adds them.'))];
  }
  const known = data.images.layers[layer];
  if (!known || !known.includes(c)) return [h('div', { class: 'pictures' }, title, h('p', { class: 'note' }, known ? `This report has images for the ${known.length} most relevant channels of a layer only.` : 'Every image belongs to this layer as a whole.'))];
  const drawings = [];
  const draw = () => { for (const drawing of drawings) drawing(); };
  const body = h('div', { class: 'pictures' }, h('div', { class: 'controls' }, choice('Images', [[true, 'with relevance'], [false, 'without relevance']], now.over, (over) => { now.over = over; draw(); })),
    h('div', { class: 'columns' }, rows(data, layer, c, drawings)),
    h('p', { class: 'hint' }, h('span', { style: 'color:var(--positive)' }, 'Red'), ' pixels contribute to the channel’s relevance for the target, ', h('span', { style: 'color:var(--negative)' }, 'blue'),
      ' against it: the measure of all walks through the pixel and the channel. Colours are relative to each image’s largest value. The numbers are relevance and activation.'));
  draw();
  return [body, onTheme(draw)];
}
