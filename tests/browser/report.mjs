// Look at a report in Chromium, as a reader would, and print what was seen as one JSON object.
// Usage: node report.mjs CHROMIUM PAGE.html PROFILE-FOLDER [SCREENSHOTS-FOLDER]
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { launch } from './launch.mjs';

const [executablePath, page, profile, screenshots] = process.argv.slice(2);
const SECTIONS = ['overview', 'ledger', 'channels', 'classes', 'flows', 'paths', 'run'];
const WIDTHS = [1280, 400];

const browser = await launch(executablePath, profile);
const tab = browser.pages()[0];
const seen = { errors: [], requests: [] };
tab.on('console', (message) => { if (['error', 'warning'].includes(message.type())) seen.errors.push(message.text()); });
tab.on('pageerror', (error) => seen.errors.push(String(error.stack)));
tab.on('request', (request) => { if (!/^(file|data|blob):/.test(request.url())) seen.requests.push(request.url()); });

const key = (name) => tab.locator(`[data-key="${name}"]`).first().innerText();
const selectIn = (section, label) => tab.locator(`#${section} label`, { hasText: label }).locator('select').first();

async function open(width) {
  await tab.setViewportSize({ width, height: 900 });
  const start = performance.now();
  await tab.goto(pathToFileURL(page).href);
  await tab.waitForSelector('[data-ready]');
  seen.opened ||= performance.now() - start;
  await tab.waitForTimeout(300);
}

async function channelNumbers() {
  const numbers = { name: await key('channel-name') };
  for (const name of ['mean', 'rank', 'std', 'mean_positive']) numbers[name] = await key(name);
  return numbers;
}

async function overview() {
  seen.banners = await tab.locator('.banner strong').allInnerTexts();
  seen.overview = {};
  for (const name of ['finished', 'accuracy', 'failed', 'given_mass']) seen.overview[name] = await key(name);
  const rowsOf = async (details) => {
    await details.locator('summary').click();
    return details.locator('tbody tr').evaluateAll((rows) => rows.map((row) => Array.from(row.cells, (cell) => cell.innerText)));
  };
  seen.ledger = await rowsOf(tab.locator('#ledger > details'));
  if (await tab.locator('#blocks-chart').count()) {
    seen.blocks = await rowsOf(tab.locator('#ledger div > details'));
    seen.blockBars = await tab.locator('#blocks-chart svg path').count();
  }
  seen.ledgerBars = await tab.locator('#ledger-chart svg path').count();
}

// What has the keyboard, which must not be lost when the page changes.
const focused = () => tab.evaluate(() => document.activeElement.tagName);

// With the mouse, from the keyboard, with a select.
async function channels() {
  seen.channels = [await channelNumbers()];
  const strips = tab.locator('.strips canvas');
  seen.strips = await strips.count();
  await strips.nth(4).click({ position: { x: 200, y: 10 } });
  seen.channels.push(await channelNumbers());
  await strips.nth(5).focus();
  for (const press of ['Home', 'ArrowRight', 'ArrowRight', 'Enter']) await tab.keyboard.press(press);
  seen.channels.push(await channelNumbers());
  seen.focus = [await focused()];
  await selectIn('channel', 'Channel').focus();
  await tab.keyboard.press('ArrowDown');
  seen.channels.push(await channelNumbers());
  seen.focus.push(await focused());
  seen.upstream = await tab.locator('#channel .columns > div').first().locator('li').evaluateAll((rows) => rows.map((row) => [row.querySelector('.name').innerText, row.querySelector('.number').innerText]));
  await tab.locator('#channel .columns > div').first().locator('li button').first().click();
  seen.channels.push(await channelNumbers());
  const another = await selectIn('channel', 'Channel').locator('option').nth(1).getAttribute('value');
  seen.chosen = await choose('channel', ['Channel', another]);
}

// Pictures of the most relevant channel of the layer, as data.
async function images() {
  if (!await tab.locator('#channel figure').count()) await selectIn('channel', 'Channel').selectOption({ index: 0 });
  const drawn = () => tab.locator('#channel figure canvas').evaluateAll((all) => all.map((canvas) => canvas.toDataURL()));
  seen.images = [];
  for (const name of ['without relevance', 'with relevance']) {
    const button = tab.getByRole('button', { name });
    if (await button.count()) {
      await button.click();
      seen.images.push(await drawn());
    }
  }
}

async function given() {
  await tab.getByRole('button', { name: 'given the chosen channel' }).click();
  seen.given = { channel: await key('channel-name'), missing: await tab.locator('.strips .missing').evaluateAll((all) => all.map((one) => [one.dataset.pair, one.innerText])), strips: await tab.locator('.strips canvas').count() };
  await tab.locator('.strips canvas').last().focus();
  await tab.keyboard.press('ArrowRight');
  seen.given.read = await tab.locator('#channels .read').innerText();
  if (screenshots) await tab.locator('#channels').screenshot({ path: join(screenshots, 'given-1280.png') });
  await tab.getByRole('button', { name: 'of all walks' }).click();
}

// Milliseconds from choices in a section, [label of a select, value], until they are painted.
function choose(section, ...choices) {
  return tab.evaluate(async ([id, wanted]) => {
    const start = performance.now();
    for (const [label, value] of wanted) {
      const element = Array.from(document.querySelectorAll(`#${id} label`)).find((one) => one.innerText.startsWith(label)).querySelector('select');
      element.value = value;
      element.dispatchEvent(new Event('change'));
    }
    await new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); });
    return performance.now() - start;
  }, [section, choices]);
}

async function flowOf(pair, most) {
  const took = await choose('flows', ['Pair', pair], ['Strongest channels', most]);
  const canvas = tab.locator('#flows canvas').first();
  await canvas.focus();
  for (const press of ['Home', 'ArrowRight', 'ArrowDown', 'ArrowDown']) await tab.keyboard.press(press);
  return { pair, took, label: await canvas.getAttribute('aria-label'), read: await tab.locator('#flows .read').innerText() };
}

async function flows() {
  const pairs = await selectIn('flows', 'Pair').locator('option').evaluateAll((all) => all.map((one) => one.value));
  seen.flows = [];
  for (const pair of pairs) seen.flows.push(await flowOf(pair, '1000000000'));
}

async function classes() {
  const canvas = tab.locator('#classes canvas').first();
  await canvas.focus();
  for (const press of ['Home', 'ArrowRight', 'ArrowDown']) await tab.keyboard.press(press);
  seen.classes = await tab.locator('#classes .read').innerText();
}

async function paths() {
  seen.links = await tab.locator('#paths-chart svg path').count();
  if (await selectIn('paths', 'Images').count()) {
    await selectIn('paths', 'Images').selectOption({ index: 2 });
    seen.linksOfClass = await tab.locator('#paths-chart svg path').count();
  }
}

async function pictures(width, scheme) {
  await tab.emulateMedia({ colorScheme: scheme });
  await open(width);
  seen.widths = { ...seen.widths, [`${width} ${scheme}`]: await tab.evaluate(() => document.documentElement.scrollWidth) };
  if (!screenshots) return;
  await tab.screenshot({ path: join(screenshots, `top-${width}-${scheme}.png`) });
  // The list of sections stays at the top and would cover what is behind it.
  await tab.addStyleTag({ content: 'nav { position: static !important; }' });
  for (const section of SECTIONS) await tab.locator(`#${section}`).screenshot({ path: join(screenshots, `${section}-${width}-${scheme}.png`) });
}

await open(1280);
await overview();
await channels();
await given();
await images();
await classes();
await flows();
await paths();
for (const width of WIDTHS) for (const scheme of ['light', 'dark']) await pictures(width, scheme);
await tab.emulateMedia({ colorScheme: 'dark' });
await open(1280);
const paper = await tab.pdf({ format: 'A4', path: screenshots ? join(screenshots, 'paper.pdf') : undefined });
seen.paper = paper.length;
await browser.close();
console.log(JSON.stringify(seen));
