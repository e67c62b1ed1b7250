// Light and dark: the system's unless the reader chooses; paper is always light.
const listeners = new Set();
let chosen = null;
let printing = false;
const system = window.matchMedia('(prefers-color-scheme: dark)');

export function theme() {
  if (printing) return 'light';
  return chosen || (system.matches ? 'dark' : 'light');
}

function apply() {
  document.documentElement.dataset.theme = theme();
  document.documentElement.toggleAttribute('data-printing', printing);
  for (const listener of listeners) listener();
}

export function toggleTheme() {
  chosen = theme() === 'dark' ? 'light' : 'dark';
  apply();
}

// `listener` is called after the colours have changed, and before and after printing, until what this returns is called.
export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function startTheme() {
  system.addEventListener('change', apply);
  window.addEventListener('beforeprint', () => { printing = true; apply(); });
  window.addEventListener('afterprint', () => { printing = false; apply(); });
  apply();
}

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function channels(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

// A function of -1 .. 1 to red, green, blue: negative, middle, positive.
export function diverging() {
  const [low, middle, high] = ['negative', 'middle', 'positive'].map((name) => channels(colour(name)));
  return (share) => {
    const end = share < 0 ? low : high;
    const t = Math.min(1, Math.abs(share));
    return middle.map((from, i) => Math.round(from + (end[i] - from) * t));
  };
}
