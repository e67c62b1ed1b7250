// Matrices as canvases: a pixel or more for every entry, on a signed square-root scale.
import { h, number } from './dom.js';
import { diverging, onTheme, colour } from './theme.js';

export function largest(values) {
  let most = 0;
  for (const value of values) if (Math.abs(value) > most && Number.isFinite(value)) most = Math.abs(value);
  return most;
}

function share(value, most) {
  return most ? Math.sign(value) * Math.sqrt(Math.abs(value) / most) : 0;
}

// The colours' meaning, from -most to most.
export function legend(what, most, signed) {
  const canvas = h('canvas', { width: 181, height: 1, 'aria-hidden': 'true' });
  const paint = diverging();
  const context = canvas.getContext('2d');
  for (let x = 0; x <= 180; x++) {
    const t = signed ? x / 90 - 1 : x / 180;
    context.fillStyle = `rgb(${paint(t).join()})`;
    context.fillRect(x, 0, 1, 1);
  }
  return h('div', { class: 'legend' }, h('span', {}, what), h('span', { class: 'scale' }, signed ? number(-most, 2) : '0', canvas, number(most, 2)),
    h('span', {}, '(square-root scale)'));
}

// options: { rows, columns        numbers of entries
//            value(i, j)          entry
//            say(i, j)            one line about an entry
//            pick(i, j)           when it is chosen
//            rowName, columnName  (i) labels of an axis; drawn where there is room
//            label                what it is, for readers that do not see it
//            height               of a row in pixels; null: square cells within bounds
//            leastHeight          of a row, where all then fit }
export class Heatmap {
  constructor(read) {
    this.read = read;
    this.canvas = h('canvas', {
      tabindex: 0, role: 'application',
      onpointermove: (event) => this.point(event), onpointerleave: () => this.move(null),
      onclick: (event) => { this.point(event); this.pick(); }, onkeydown: (event) => this.key(event),
      onblur: () => this.move(null),
    });
    this.element = h('div', { class: 'heatmap' }, this.canvas);
    this.at = null;
    onTheme(() => this.draw());
    this.width = 0;
    new ResizeObserver(() => {
      if (this.element.clientWidth !== this.width) this.draw();
    }).observe(this.element);
  }

  show(options) {
    const { rows, columns } = this.options || {};
    const stays = document.activeElement === this.canvas && rows === options.rows && columns === options.columns;
    this.options = options;
    if (!stays) this.at = null;
    this.most = options.most === undefined ? this.scan() : options.most;
    this.canvas.setAttribute('aria-label', `${options.label}. Arrow keys move, Enter chooses.`);
    this.draw();
  }

  remark(marked) {
    this.options.marked = marked;
    if (this.place) this.paint();
  }

  scan() {
    const { rows, columns, value } = this.options;
    let most = 0;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const size = Math.abs(value(i, j));
        if (size > most && Number.isFinite(size)) most = size;
      }
    }
    return most;
  }

  image() {
    const { rows, columns, value } = this.options;
    const paint = diverging();
    const table = Array.from({ length: 513 }, (_, i) => paint(i / 256 - 1)); // colours of -1 .. 1
    const empty = diverging()(0);
    const image = new ImageData(columns, rows);
    for (let i = 0, k = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++, k += 4) {
        const entry = value(i, j);
        const rgb = Number.isFinite(entry) ? table[Math.round(256 * share(entry, this.most)) + 256] : empty;
        image.data[k] = rgb[0];
        image.data[k + 1] = rgb[1];
        image.data[k + 2] = rgb[2];
        image.data[k + 3] = 255;
      }
    }
    const buffer = document.createElement('canvas');
    buffer.width = columns;
    buffer.height = rows;
    buffer.getContext('2d').putImageData(image, 0, 0);
    return buffer;
  }

  // Place of the matrix inside of the canvas, in CSS pixels.
  layout() {
    const { rows, columns, height, rowName, columnName } = this.options;
    const width = this.element.clientWidth;
    const left = rowName ? this.options.left || 34 : 0;
    const top = columnName ? 20 : 0;
    const inner = width - left - (rowName ? 2 : 0);
    const most = this.options.mostHeight || Math.max(180, Math.min(620, inner));
    const least = this.options.leastHeight || 3;
    const tall = height ? height * rows : Math.min(most, rows * Math.max(Math.min(inner / columns, 28), least));
    return { left, top, width: inner, height: tall, cellWidth: inner / columns, cellHeight: tall / rows };
  }

  draw() {
    if (!this.options || !this.element.clientWidth) return;
    this.width = this.element.clientWidth;
    this.buffer = this.image();
    this.place = this.layout();
    const ratio = Math.max(1, window.devicePixelRatio || 1);
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round((this.place.height + this.place.top) * ratio);
    this.canvas.style.height = `${this.place.height + this.place.top}px`;
    this.ratio = ratio;
    this.paint();
  }

  paint() {
    const { left, top, width, height } = this.place;
    const context = this.canvas.getContext('2d');
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, height + top);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.buffer, left, top, width, height);
    this.labels(context);
    this.mark(context, this.options.marked, colour('ink'), 2);
    if (this.at) this.mark(context, this.at, colour('accent'), 2);
  }

  labels(context) {
    const { rows, columns, rowName, columnName } = this.options;
    const { left, top, cellWidth, cellHeight } = this.place;
    context.fillStyle = colour('muted');
    context.font = '11px system-ui, "Liberation Sans", sans-serif';
    context.textBaseline = 'middle';
    if (rowName) {
      const step = Math.max(1, Math.ceil(12 / cellHeight));
      context.textAlign = 'right';
      for (let i = 0; i < rows; i += step) context.fillText(rowName(i), left - 6, top + (i + 0.5) * cellHeight);
    }
    if (columnName) {
      const step = Math.ceil(30 / cellWidth);
      context.textAlign = 'center';
      for (let j = 0; j < columns; j += step) {
        const half = context.measureText(columnName(j)).width / 2;
        context.fillText(columnName(j), Math.min(left + (j + 0.5) * cellWidth, this.width - half), top - 9);
      }
    }
  }

  mark(context, at, stroke, line) {
    if (!at || at.includes(-1)) return;
    const { left, top, width, height, cellWidth, cellHeight } = this.place;
    const [i, j] = at;
    context.strokeStyle = stroke;
    context.lineWidth = line;
    const x = i === null ? 0 : left + j * cellWidth;
    const w = Math.max(cellWidth, 4);
    const hgt = Math.max(cellHeight, 4);
    if (i !== null && j !== null) context.strokeRect(x, top + i * cellHeight, w, hgt);
    else if (i === null) context.strokeRect(left + j * cellWidth, top + 1, w, height - 2);
    else context.strokeRect(left + 1, top + i * cellHeight, width - 2, hgt);
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const { left, top, cellWidth, cellHeight } = this.place;
    const i = Math.floor((event.clientY - box.top - top) / cellHeight);
    const j = Math.floor((event.clientX - box.left - left) / cellWidth);
    const inside = i >= 0 && j >= 0 && i < this.options.rows && j < this.options.columns;
    this.move(inside ? [i, j] : null);
  }

  move(at) {
    this.at = at;
    if (this.read) this.read.textContent = at ? this.options.say(...at) : this.options.idle || '';
    this.paint();
  }

  pick() {
    if (this.at && this.options.pick) this.options.pick(...this.at);
  }

  key(event) {
    const { rows, columns } = this.options;
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const [i, j] = this.at || [0, 0];
    if (event.key === 'Enter' || event.key === ' ') this.pick();
    else if (event.key === 'Home') this.move([i, 0]);
    else if (event.key === 'End') this.move([i, columns - 1]);
    else if (steps[event.key]) {
      const [down, right] = steps[event.key];
      const next = [i + (this.at ? down : 0), j + (this.at ? right : 0)];
      this.move([Math.min(rows - 1, Math.max(0, next[0])), Math.min(columns - 1, Math.max(0, next[1]))]);
    } else return;
    event.preventDefault();
  }
}
